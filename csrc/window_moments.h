// First and second moments of the nine values under each 3x3 window of a depthwise convolution, and their gradient.
//
// A map is (N, H, W, C) float32, channels last; windows are padded by one zero and move by `stride`. Value t = 3 a + b of the
// window at (i, j) is x[stride i + a - 1][stride j + b - 1]. Calculated in values less `shift`, the zeros of the padding too,
// so that a mean far from 0 costs no accuracy.
#pragma once
#include <cstdint>

namespace underone {

constexpr int64_t kLanes = 16;      // channels that are calculated together
constexpr int kTaps = 9, kPairs = 45;  // pairs (t, u) with u >= t, in the order of (0, 0), (0, 1) … (0, 8), (1, 1) …

struct WindowMap {
  int64_t images, height, width, channels, stride;
  const float* x;
  const float* shift;  // (C)
  int64_t rows() const { return (height - 1) / stride + 1; }
  int64_t columns() const { return (width - 1) / stride + 1; }
};

// Adds the sums over the windows of image `n`, to (kTaps + kPairs, C) doubles: those of the values, then of their products.
using WindowMoments = void(const WindowMap& map, int64_t n, double* sums);

// Writes the gradient of image `n` to `grad`, (H, W, C) of that image: each window adds constant[t] + sum over u of
// slope[t][u] (value u - shift) to the pixel under value t. slope: (C / kLanes rounded up, kTaps, kTaps, kLanes), constant:
// (C / kLanes rounded up, kTaps, kLanes).
using WindowGradient = void(const WindowMap& map, int64_t n, const float* slope, const float* constant, float* grad);

namespace avx2 {
WindowMoments window_moments;
WindowGradient window_gradient;
}
namespace avx512 {
WindowMoments window_moments;
WindowGradient window_gradient;
}
namespace neon {
WindowMoments window_moments;
WindowGradient window_gradient;
}

}  // namespace underone
