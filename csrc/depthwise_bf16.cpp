// Hand-written because Halide knows no vcvtne2ps2bf16, and splits every cell into its two halves anew for each tap: here a
// column is read and split once for all taps of its row.
#include "depthwise_bf16.h"

#include <algorithm>
#include <utility>

#include "bfloat16_store.h"

namespace underone::rounding {

namespace {

constexpr int kWide = 7;  // pixels: 14 sums, and the weights of one row of the window beside them

// Even and odd channels side by side -> channels in their order.
alignas(64) constexpr uint16_t kOrder[32] = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};

#define INLINE __attribute__((always_inline))

// f(0), f(1), … with numbers that are known when it is compiled: sums that are indexed otherwise lie in memory.
template <class F, int... I>
inline void each_of(std::integer_sequence<int, I...>, F f) { (f(std::integral_constant<int, I>{}), ...); }
template <int kCount, class F>
inline void each(F f) { each_of(std::make_integer_sequence<int, kCount>{}, f); }

template <bool kSimple>
inline void store(__m512 even, __m512 odd, char* out, const Bounds& b) {
  if constexpr (!kSimple) {
    even = _mm512_min_ps(b.high_ps, _mm512_max_ps(b.low_ps, even));
    odd = _mm512_min_ps(b.high_ps, _mm512_max_ps(b.low_ps, odd));
  }
  __m512i v = (__m512i)_mm512_cvtne2ps_pbh(odd, even);
  if constexpr (kSimple) v = _mm512_min_epi16(_mm512_max_epi16(v, b.low), b.high);
  _mm512_store_si512(out, _mm512_permutexvar_epi16(_mm512_load_si512(kOrder), v));
}

// kPixels of one row of one block of 32 channels; weight [taps][2][16]: even channels, odd ones.
template <int kSize, int kStride, int kPixels, bool kSimple>
INLINE inline void strip(const char* in, size_t row, const float* weight, const float* bias, char* out, const Bounds& b) {
  constexpr int kColumns = (kPixels - 1) * kStride + kSize;
  const __m512i upper = _mm512_set1_epi32(int(0xffff0000u));
  __m512 even[kPixels], odd[kPixels];
  each<kPixels>([&](auto p) INLINE { even[p] = _mm512_load_ps(bias), odd[p] = _mm512_load_ps(bias + 16); });
  for (int i = 0; i < kSize; i++, in += row * kCell, weight += kSize * 32) {
    __m512 w[kSize][2];
    each<kSize>([&](auto j) INLINE { w[j][0] = _mm512_load_ps(weight + 32 * j), w[j][1] = _mm512_load_ps(weight + 32 * j + 16); });
    each<kColumns>([&](auto c) INLINE {
      const __m512i cell = _mm512_load_si512(in + c * kCell);
      const __m512 e = _mm512_castsi512_ps(_mm512_slli_epi32(cell, 16)), o = _mm512_castsi512_ps(_mm512_and_si512(cell, upper));
      each<kSize>([&](auto j) INLINE {
        constexpr int p = (c - j) / kStride;  // the pixel for which column c lies under tap j
        if constexpr (c >= j && (c - j) % kStride == 0 && p < kPixels) {
          even[p] = _mm512_fmadd_ps(e, w[j][0], even[p]);
          odd[p] = _mm512_fmadd_ps(o, w[j][1], odd[p]);
        }
      });
    });
  }
  each<kPixels>([&](auto p) INLINE { store<kSimple>(even[p], odd[p], out + p * kCell, b); });
}

struct Call {
  const Packed& packed;
  Rows in, out;
  int first, last, rows, width;
};

// Rows in strips; the last one of a row begins early, so that it ends with the row.
template <int kSize, int kStride, int kPixels, bool kSimple>
void windows(const Call& t, const Bounds& b) {
  for (int c = t.first; c < t.last; c++) {
    const float* weight = reinterpret_cast<const float*>(t.packed.weight) + size_t(c) * kSize * kSize * 32;
    for (int y = 0; y < t.rows; y++) {
      const char* in = t.in.data + (c * t.in.block + size_t(y) * kStride * t.in.row) * kCell;
      char* out = t.out.data + (c * t.out.block + size_t(y) * t.out.row) * kCell;
      for (int x0 = 0; x0 < t.width; x0 += kPixels) {
        const int x = std::min(x0, t.width - kPixels);
        strip<kSize, kStride, kPixels, kSimple>(in + x * kStride * kCell, t.in.row, weight, t.packed.bias + 32 * c, out + x * kCell, b);
      }
    }
  }
}

template <int kSize, int kStride, bool kSimple>
void any_width(const Call& t, const Bounds& b) {
  if (t.width >= kWide) return windows<kSize, kStride, kWide, kSimple>(t, b);
  t.width >= 4 ? windows<kSize, kStride, 4, kSimple>(t, b) : windows<kSize, kStride, 1, kSimple>(t, b);
}

using Depthwise = void(const Call&, const Bounds&);
template <int kSize, int kStride>
Depthwise* choose(bool simple) { return simple ? any_width<kSize, kStride, true> : any_width<kSize, kStride, false>; }

}  // namespace

bool has_depthwise(const Window& w) {
  return w.height == w.width && (w.width == 3 || w.width == 5) && w.stride_y == w.stride_x && w.stride_x <= 2 && w.dilation_y == 1 && w.dilation_x == 1;
}

void depthwise(const Packed& packed, const Window& w, Rows in, Rows out, int first, int last, int rows, int width, float low, float high) {
  const Bounds b = bounds(low, high);
  const bool simple = b.whole, twice = w.stride_x == 2;
  Depthwise* const run = w.width == 3 ? (twice ? choose<3, 2>(simple) : choose<3, 1>(simple)) : (twice ? choose<5, 2>(simple) : choose<5, 1>(simple));
  run({packed, in, out, first, last, rows, width}, b);
}

}  // namespace underone::rounding
