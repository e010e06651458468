#include "machine.h"

#include "dots.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace underone {

namespace {

#if defined(__x86_64__)
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c"); }

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512cd");
}

bool find_amx() {
#if defined(__linux__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned amx_bf16 = 1u << 22, amx_tile = 1u << 24;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & amx_bf16) || !(d & amx_tile)) return false;
  if (!has_avx512() || !__builtin_cpu_supports("avx512bf16")) return false;
  constexpr int request_permission = 0x1023, tile_data = 18;  // arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA)
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
  return false;
#endif
}
#else
bool find_amx() { return false; }
#endif

std::vector<std::string> find_isas() {
  std::vector<std::string> names;
#if defined(__x86_64__)
  if (has_avx512()) names.push_back("avx512");
  if (has_avx2()) names.push_back("avx2");
#elif defined(__aarch64__)
  names.push_back("neon");
#endif
  return names;
}

}  // namespace

const std::vector<std::string>& isas() {
  static const std::vector<std::string> found = find_isas();
  return found;
}

bool has_amx() {
  static const bool found = find_amx();
  return found;
}

#if defined(__x86_64__)
bool has_dots() { return has_avx512() && __builtin_cpu_supports("avx512bf16"); }
bool has_fast_dots() {
  static const bool fast = has_dots() && dots::are_fast();
  return fast;
}
bool has_vnni() { return has_avx512() && __builtin_cpu_supports("avx512vnni"); }
bool has_amx_bytes() {
  constexpr unsigned amx_int8 = 1u << 25;
  unsigned a = 0, b = 0, c = 0, d = 0;
  return has_amx() && has_vnni() && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & amx_int8);
}
#else
bool has_dots() { return false; }
bool has_fast_dots() { return false; }
bool has_vnni() { return false; }
bool has_amx_bytes() { return false; }
#endif

}  // namespace underone
