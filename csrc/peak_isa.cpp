// Chains of multiply-adds, enough of them to hide the latency of each.
#include "peak.h"

namespace underone::UNDERONE_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int kBytes = 64;
#elif defined(__AVX2__)
constexpr int kBytes = 32;
#else
constexpr int kBytes = 16;
#endif
constexpr int kChains = 12, kRepeats = 8;  // 4 cycles of latency, 2 a cycle: 8 chains would just do
typedef float Vector __attribute__((vector_size(kBytes)));

}  // namespace

float multiply_adds(int64_t rounds, int64_t& count) {
  Vector chains[kChains];
  float start = 1.0f;
#pragma GCC unroll 12
  for (int i = 0; i < kChains; ++i) chains[i] = Vector{} + start + static_cast<float>(i);
  Vector factor = Vector{} + 0.5f, term = Vector{} + 0.25f;  // tends to 0.5: neither grows nor becomes denormal
  for (int64_t round = 0; round < rounds; ++round) {
#if defined(__x86_64__)
    __asm__ volatile("" : "+v"(factor), "+v"(term));  // not known to the compiler, so not computed by it
#else
    __asm__ volatile("" : "+w"(factor), "+w"(term));
#endif
#pragma GCC unroll 8
    for (int repeat = 0; repeat < kRepeats; ++repeat) {
#pragma GCC unroll 12
      for (int i = 0; i < kChains; ++i) chains[i] = chains[i] * factor + term;
    }
  }
  Vector sum = chains[0];
#pragma GCC unroll 12
  for (int i = 1; i < kChains; ++i) sum += chains[i];
  count = int64_t(kChains) * kRepeats * (kBytes / 4);
  return sum[0];
}

}  // namespace underone::UNDERONE_ISA
