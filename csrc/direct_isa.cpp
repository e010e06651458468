#include "direct.h"

#include <utility>

#include "vectors.h"

namespace underone::UNDERONE_ISA {

namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16, kVectors = 2, kWidest = 14;  // 28 sums, two weights, one pixel: 31 registers
#elif defined(__AVX2__)
constexpr int kLanes = 8, kVectors = 2, kWidest = 6;    // 12 sums, two weights, one pixel: 15 registers
#else
constexpr int kLanes = 4, kVectors = 4, kWidest = 6;    // 24 sums, four weights, one pixel: 29 registers
#endif
typedef float Vector __attribute__((vector_size(kLanes * 4)));

constexpr int kAhead = 1024;  // floats between a weight and the one that is fetched meanwhile

inline Vector get(const void* p) { Vector v; std::memcpy(&v, p, sizeof v); return v; }

template <int kRows, int kPixels, int kStride, int kParts>
void multiply(const DirectTile& t) {
  constexpr int kSums = kRows * kPixels;
  Vector sum[kSums][kParts];
#pragma GCC unroll 16
  for (int p = 0; p < kSums; p++)
#pragma GCC unroll 4
    for (int v = 0; v < kParts; v++) sum[p][v] = get(t.bias + v * kLanes);
  for (int i = 0; i < t.tap_count; i++) {
    const float* weight = t.taps[i].weight;
    const char* in = t.in + t.taps[i].offset * kCell;
    for (int b = 0; b < t.blocks; b++, in += t.block * kCell) {
      const float* pixel[2] = {reinterpret_cast<const float*>(in), reinterpret_cast<const float*>(in + t.row * kCell)};
      for (int k = 0; k < 16; k++, weight += kParts * kLanes) {
        Vector w[kParts];
        __builtin_prefetch(weight + kAhead);
        if constexpr (kParts * kLanes == 32) __builtin_prefetch(weight + kAhead + 16);
#pragma GCC unroll 4
        for (int v = 0; v < kParts; v++) w[v] = get(weight + v * kLanes);
#pragma GCC unroll 16
        for (int p = 0; p < kSums; p++) {
          const float x = pixel[p / kPixels][p % kPixels * kStride * 16 + k];
#pragma GCC unroll 4
          for (int v = 0; v < kParts; v++) sum[p][v] += x * w[v];
        }
      }
    }
  }
  const Vector low = Vector{} + t.low, high = Vector{} + t.high;
#pragma GCC unroll 16
  for (int p = 0; p < kSums; p++)
#pragma GCC unroll 4
    for (int v = 0; v < kParts; v++) {
      const size_t at = p / kPixels * t.out_row + p % kPixels * t.out_pixel + v * kLanes / 16 * t.out_block + v * kLanes % 16 * 4;
      Vector s = sum[p][v];
      if (t.added) s += get(t.added + at);
      s = s < low ? low : s, s = s > high ? high : s;  // NaN stays
      std::memcpy(t.out + at, &s, sizeof s);
    }
}

template <int kRows, int kStride, int kParts, int... kPixels>
DirectKernel choose(int pixels, std::integer_sequence<int, kPixels...>) {
  static constexpr DirectKernel all[] = {multiply<kRows, kPixels + 1, kStride, kParts>...};
  return pixels >= 1 && pixels <= int(sizeof...(kPixels)) ? all[pixels - 1] : nullptr;
}

template <int kStride, int kParts>
DirectKernel choose(int rows, int pixels) {
  return rows == 1 ? choose<1, kStride, kParts>(pixels, std::make_integer_sequence<int, kWidest>())
                   : choose<2, kStride, kParts>(pixels, std::make_integer_sequence<int, kWidest / 2>());
}

DirectKernel find(int rows, int pixels, int stride, int panel) {
  constexpr int kNarrow = kLanes == 16 ? 1 : kVectors;
  if (rows < 1 || rows > 2 || stride < 1 || stride > 2) return nullptr;
  if (panel == 16) return stride == 1 ? choose<1, kNarrow>(rows, pixels) : choose<2, kNarrow>(rows, pixels);
  return stride == 1 ? choose<1, kVectors>(rows, pixels) : choose<2, kVectors>(rows, pixels);
}

}  // namespace

const DirectKernels direct_kernels = {kWidest, kLanes * kVectors, find};

}  // namespace underone::UNDERONE_ISA
