// How the products of bfloat16 end: add, clamp, round, store. For sources that are compiled with AVX512-BF16.
#pragma once
#include <immintrin.h>

#include <cmath>
#include <cstdint>
#include <cstring>

namespace underone {
namespace {

struct Bounds {
  __m512i low, high;        // bfloat16 in the order of 16-bit integers: exact for bounds from 0 up, or absent
  __m512 low_ps, high_ps;
  bool whole;               // whether the integers do
};

int16_t as_integer(float f, int16_t open) {
  if (std::isinf(f)) return open;
  uint32_t u;
  std::memcpy(&u, &f, 4);
  return int16_t(u >> 16);
}

Bounds bounds(float low, float high) {
  auto exact = [](float f) { uint32_t u; std::memcpy(&u, &f, 4); return std::isinf(f) || (f >= 0 && !(u & 0x8000ffff)); };
  return {_mm512_set1_epi16(as_integer(low, -32768)), _mm512_set1_epi16(as_integer(high, 32767)), _mm512_set1_ps(low), _mm512_set1_ps(high), exact(low) && exact(high)};
}

// Sums of 32 channels of one pixel into its cell.
template <bool kSimple>
inline void put(__m512 first, __m512 second, char* out, const char* added, const Bounds& b) {
  if constexpr (kSimple) {
    const __m512i v = (__m512i)_mm512_cvtne2ps_pbh(second, first);
    _mm512_store_si512(out, _mm512_min_epi16(_mm512_max_epi16(v, b.low), b.high));
  } else {
    if (added) {
      const __m512i a = _mm512_load_si512(added);
      first = _mm512_add_ps(first, _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_castsi512_si256(a)), 16)));
      second = _mm512_add_ps(second, _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(a, 1)), 16)));
    }
    first = _mm512_min_ps(b.high_ps, _mm512_max_ps(b.low_ps, first));
    second = _mm512_min_ps(b.high_ps, _mm512_max_ps(b.low_ps, second));
    _mm512_store_si512(out, (__m512i)_mm512_cvtne2ps_pbh(second, first));
  }
}

}  // namespace
}  // namespace underone
