#include "machine.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace underone {

const std::vector<std::string>& isas() {
  static const std::vector<std::string> found = [] {
    std::vector<std::string> names;
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                        __builtin_cpu_supports("avx512cd");
    if (avx2 && avx512) names.push_back("avx512");
    if (avx2) names.push_back("avx2");
#elif defined(__aarch64__)
    names.push_back("neon");
#endif
    return names;
  }();
  return found;
}

bool has_amx() {
#if defined(__x86_64__) && defined(__linux__)
  static const bool yes = [] {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & (1u << 22)) || !(d & (1u << 24))) return false;  // AMX-BF16, TILE
    if (isas().empty() || isas()[0] != "avx512" || !__builtin_cpu_supports("avx512bf16")) return false;
    constexpr int request_permission = 0x1023, tile_data = 18;  // arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA)
    return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
  }();
  return yes;
#else
  return false;
#endif
}

void bind_machine(nanobind::module_& m) {
  m.def("isas", [] { return isas(); }, "Instruction sets that this processor has, the best first.");
  m.def("has_amx", &has_amx, "Whether AMX tiles multiply bfloat16 on this processor.");
}

}  // namespace underone
