#include "dots.h"

#include <algorithm>
#include <chrono>

#include "bfloat16_store.h"

namespace underone::dots {

namespace {

constexpr int kPixels = 14;  // 28 sums of 16 channels, two weights, one operand: 31 registers

template <bool kSimple, int P>
inline void tile(const Product& c, const Bounds& limits, int panel, int at) {
  const int kb = ceil_div(c.packed->in, 32);
  const uint16_t* weight = reinterpret_cast<const uint16_t*>(c.packed->weight) + size_t(panel) * kb * 1024;
  const float* bias = c.packed->bias + 32 * panel;
  __m512 sum[P][2];
#pragma GCC unroll 14
  for (int p = 0; p < P; p++) sum[p][0] = _mm512_loadu_ps(bias), sum[p][1] = _mm512_loadu_ps(bias + 16);
  for (int k = 0; k < kb; k++, weight += 1024) {
    const char* operand = c.operand + (size_t(k) * c.stride + at) * kCell;
    for (int i = 0; i < 16; i++) {
      const __m512bh first = (__m512bh)_mm512_load_si512(weight + i * 32), second = (__m512bh)_mm512_load_si512(weight + 512 + i * 32);
#pragma GCC unroll 14
      for (int p = 0; p < P; p++) {
        int pair;
        std::memcpy(&pair, operand + p * kCell + 4 * i, 4);
        const __m512bh x = (__m512bh)_mm512_set1_epi32(pair);
        sum[p][0] = _mm512_dpbf16_ps(sum[p][0], x, first);
        sum[p][1] = _mm512_dpbf16_ps(sum[p][1], x, second);
      }
    }
  }
  const size_t block = size_t(panel) * c.out_pixels;
#pragma GCC unroll 14
  for (int p = 0; p < P; p++) {
    if (at + p >= c.pixels) continue;
    const size_t to = (block + c.place[at + p]) * kCell;
    put<kSimple>(sum[p][0], sum[p][1], c.out + to, c.added ? c.added + to : nullptr, limits);
  }
}

template <bool kSimple>
void multiply(const Product& c, const Bounds& limits) {
  for (int j = c.first; j < c.last; j++) {
    int at = 0;
    for (; at + 7 < c.pixels; at += kPixels) tile<kSimple, kPixels>(c, limits, j, at);
    if (at < c.pixels) tile<kSimple, 7>(c, limits, j, at);
  }
}

template <class F>
double seconds(F f) {
  double least = 1;
  for (int round = 0; round < 4; round++) {
    const auto start = std::chrono::steady_clock::now();
    f();
    least = std::min(least, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return least;
}

}  // namespace

void product(const Product& c) {
  const Bounds limits = bounds(c.low, c.high);
  limits.whole && !c.added ? multiply<true>(c, limits) : multiply<false>(c, limits);
}

bool are_fast() {
  constexpr int count = 4000;
  __m512i ones = _mm512_set1_epi32(0x3f803f80);
  asm volatile("" : "+v"(ones));
  const __m512 floats = _mm512_castsi512_ps(ones);
  const __m512bh halves = (__m512bh)ones;
  const double pairs = seconds([=] {
    __m512 sum[12] = {};
    for (int i = 0; i < count; i++) {
#pragma GCC unroll 12
      for (int j = 0; j < 12; j++) {
        sum[j] = _mm512_dpbf16_ps(sum[j], halves, halves);
        asm volatile("" : "+v"(sum[j]));
      }
    }
  });
  const double singles = seconds([=] {
    __m512 sum[12] = {};
    for (int i = 0; i < count; i++) {
#pragma GCC unroll 12
      for (int j = 0; j < 12; j++) {
        sum[j] = _mm512_fmadd_ps(floats, floats, sum[j]);
        asm volatile("" : "+v"(sum[j]));
      }
    }
  });
  return pairs < 1.5 * singles;  // one does the work of two
}

}  // namespace underone::dots
