// Vectors of whole pixels, four 32-bit sums each, for the resampling of 8-bit pictures; one set of types per build.
//
// A weight has 22 bits after the point and a sign, too wide for the 16-bit multiply-add that every processor has. It is cut into
// weight = high * 2^15 + low, with 0 <= low < 2^15, both summed by themselves and joined at the end. All sums are modulo 2^32, and
// the true sum fits 32 bits, so the result is exact in any order.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12's own _mm512_undefined_epi32
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif

namespace underone::UNDERONE_ISA {

constexpr int kWeightBits = 22;  // after the point
constexpr int kLowBits = 15;

#if defined(__AVX512BW__)

constexpr int kPixels = 4;  // of one vector

struct Pairs {
  __m512i v;
};  // 16 lanes, each a pair of 16-bit values that meet in one sum
struct Sums {
  __m512i v;
};

inline Sums zero_sums() { return {_mm512_setzero_si512()}; }
inline Sums half_a_byte() { return {_mm512_set1_epi32(1 << (kWeightBits - 1))}; }

// Adds first value * lower half of `weights` + second value * upper half.
inline Sums multiply_add(Sums sums, Pairs values, int32_t weights) {
  return {_mm512_add_epi32(sums.v, _mm512_madd_epi16(values.v, _mm512_set1_epi32(weights)))};
}

// Four RGB pixels of kBytes bytes, 3 or 4, in a row of memory, of kPixels rows: 16 bytes are read of each.
template <int kBytes>
struct FourPixels {
  __m512i v;

  static FourPixels load(const uint8_t* const* rows, int64_t offset) {
    __m512i v = _mm512_castsi128_si512(_mm_loadu_si128(reinterpret_cast<const __m128i*>(rows[0] + offset)));
    v = _mm512_mask_broadcast_i32x4(v, 0x00f0, _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows[1] + offset)));
    v = _mm512_mask_broadcast_i32x4(v, 0x0f00, _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows[2] + offset)));
    v = _mm512_mask_broadcast_i32x4(v, 0xf000, _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows[3] + offset)));
    return {v};
  }
  Pairs first() const { return pick(order_from(0)); }
  Pairs second() const { return pick(order_from(2 * kBytes)); }

 private:
  static __m128i order_from(char i) {
    const char j = char(i + kBytes);
    return _mm_setr_epi8(i, -1, j, -1, char(i + 1), -1, char(j + 1), -1, char(i + 2), -1, char(j + 2), -1, -1, -1, -1, -1);
  }
  Pairs pick(__m128i order) const { return {_mm512_shuffle_epi8(v, _mm512_broadcast_i32x4(order))}; }
};

// Values of two rows at the same place, 4 * kPixels of each.
inline Pairs interleave(const uint8_t* a, const uint8_t* b) {
  const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(a));
  const __m128i y = _mm_loadu_si128(reinterpret_cast<const __m128i*>(b));
  return {_mm512_or_si512(_mm512_cvtepu8_epi32(x), _mm512_slli_epi32(_mm512_cvtepu8_epi32(y), 16))};
}

struct Bytes {
  __m128i v;
};

// Clip to 0..255; rounded where `low` was begun with half a byte.
inline Bytes bytes_of(Sums high, Sums low) {
  __m512i sum = _mm512_add_epi32(_mm512_slli_epi32(high.v, kLowBits), low.v);
  sum = _mm512_srai_epi32(sum, kWeightBits);
  sum = _mm512_max_epi32(sum, _mm512_setzero_si512());
  return {_mm512_cvtusepi32_epi8(sum)};
}

inline void store(uint8_t* to, Bytes bytes) { _mm_storeu_si128(reinterpret_cast<__m128i*>(to), bytes.v); }

// Stores one pixel into each of kPixels rows.
inline void store_pixels(uint8_t* const* rows, int64_t offset, Bytes bytes) {
  _mm_storeu_si32(rows[0] + offset, bytes.v);
  _mm_storeu_si32(rows[1] + offset, _mm_shuffle_epi32(bytes.v, 1));
  _mm_storeu_si32(rows[2] + offset, _mm_shuffle_epi32(bytes.v, 2));
  _mm_storeu_si32(rows[3] + offset, _mm_shuffle_epi32(bytes.v, 3));
}

#elif defined(__AVX2__)

constexpr int kPixels = 2;

struct Pairs {
  __m256i v;
};
struct Sums {
  __m256i v;
};

inline Sums zero_sums() { return {_mm256_setzero_si256()}; }
inline Sums half_a_byte() { return {_mm256_set1_epi32(1 << (kWeightBits - 1))}; }

inline Sums multiply_add(Sums sums, Pairs values, int32_t weights) {
  return {_mm256_add_epi32(sums.v, _mm256_madd_epi16(values.v, _mm256_set1_epi32(weights)))};
}

template <int kBytes>
struct FourPixels {
  __m256i v;

  static FourPixels load(const uint8_t* const* rows, int64_t offset) {
    const __m128i a = _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows[0] + offset));
    const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows[1] + offset));
    return {_mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1)};
  }
  Pairs first() const { return pick(order_from(0)); }
  Pairs second() const { return pick(order_from(2 * kBytes)); }

 private:
  static __m128i order_from(char i) {
    const char j = char(i + kBytes);
    return _mm_setr_epi8(i, -1, j, -1, char(i + 1), -1, char(j + 1), -1, char(i + 2), -1, char(j + 2), -1, -1, -1, -1, -1);
  }
  Pairs pick(__m128i order) const { return {_mm256_shuffle_epi8(v, _mm256_broadcastsi128_si256(order))}; }
};

inline Pairs interleave(const uint8_t* a, const uint8_t* b) {
  const __m128i x = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(a));
  const __m128i y = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(b));
  return {_mm256_cvtepu8_epi16(_mm_unpacklo_epi8(x, y))};
}

struct Bytes {
  __m128i v;  // 8 bytes are used
};

inline Bytes bytes_of(Sums high, Sums low) {
  __m256i sum = _mm256_add_epi32(_mm256_slli_epi32(high.v, kLowBits), low.v);
  sum = _mm256_srai_epi32(sum, kWeightBits);
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
  return {_mm_packus_epi16(words, words)};
}

inline void store(uint8_t* to, Bytes bytes) { _mm_storel_epi64(reinterpret_cast<__m128i*>(to), bytes.v); }

inline void store_pixels(uint8_t* const* rows, int64_t offset, Bytes bytes) {
  _mm_storeu_si32(rows[0] + offset, bytes.v);
  _mm_storeu_si32(rows[1] + offset, _mm_shuffle_epi32(bytes.v, 1));
}

#else  // plain C++, four sums a pixel, for the compiler to vectorise

constexpr int kPixels = 1;

struct Pairs {
  int32_t a[4], b[4];
};
struct Sums {
  uint32_t v[4];
};

inline Sums zero_sums() { return {}; }
inline Sums half_a_byte() {
  constexpr uint32_t half = 1u << (kWeightBits - 1);
  return {{half, half, half, half}};
}

inline Sums multiply_add(Sums sums, Pairs values, int32_t weights) {
  const int32_t first = static_cast<int16_t>(weights), second = weights >> 16;
  for (int i = 0; i < 4; ++i) sums.v[i] += static_cast<uint32_t>(values.a[i] * first + values.b[i] * second);
  return sums;
}

template <int kBytes>
struct FourPixels {
  const uint8_t* v;

  static FourPixels load(const uint8_t* const* rows, int64_t offset) { return {rows[0] + offset}; }
  Pairs first() const { return from(v); }
  Pairs second() const { return from(v + 2 * kBytes); }

 private:
  static Pairs from(const uint8_t* v) { return {{v[0], v[1], v[2], 0}, {v[kBytes], v[kBytes + 1], v[kBytes + 2], 0}}; }
};

inline Pairs interleave(const uint8_t* a, const uint8_t* b) { return {{a[0], a[1], a[2], a[3]}, {b[0], b[1], b[2], b[3]}}; }

struct Bytes {
  uint8_t v[4];
};

inline Bytes bytes_of(Sums high, Sums low) {
  Bytes bytes;
  for (int i = 0; i < 4; ++i) {
    const uint32_t sum = (high.v[i] << kLowBits) + low.v[i];
    const int32_t value = static_cast<int32_t>(sum) >> kWeightBits;
      bytes.v[i] = static_cast<uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
  }
  return bytes;
}

inline void store(uint8_t* to, Bytes bytes) { std::memcpy(to, bytes.v, 4); }

inline void store_pixels(uint8_t* const* rows, int64_t offset, Bytes bytes) { store(rows[0] + offset, bytes); }

#endif

}  // namespace underone::UNDERONE_ISA
