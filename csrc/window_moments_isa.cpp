#include "window_moments.h"

#include <algorithm>
#include <cmath>

#include "vectors.h"

namespace underone::UNDERONE_ISA {
namespace {

// Up to 16 channels of one image.
struct Group {
  const WindowMap& map;
  const float* x;   // of the image, at the first channel
  int64_t lanes;    // channels in use
  Floats shift;

  Floats some(const float* p) const {
    if (lanes == kLanes) return read(p);
    Floats v = all(0);
    std::memcpy(&v, p, size_t(lanes) * sizeof(float));
    return v;
  }
  void put(float* p, Floats v) const {
    lanes == kLanes ? write(p, v) : void(std::memcpy(p, &v, size_t(lanes) * sizeof(float)));
  }
  int64_t offset(int64_t row, int64_t column) const { return (row * map.width + column) * map.channels; }
  bool holds(int64_t row, int64_t column) const {
    return row >= 0 && row < map.height && column >= 0 && column < map.width;
  }
  bool inside(int64_t top, int64_t left) const {
    return top >= 0 && top + 3 <= map.height && left >= 0 && left + 3 <= map.width && lanes == kLanes;
  }
  // The nine values of the window whose first is at (top, left).
  inline __attribute__((always_inline)) void window(int64_t top, int64_t left, Floats* v) const {
    if (inside(top, left)) {
      for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++) v[3 * a + b] = read(x + offset(top + a, left + b)) - shift;
      return;
    }
    for (int a = 0; a < 3; a++)
      for (int b = 0; b < 3; b++)
        v[3 * a + b] = (holds(top + a, left + b) ? some(x + offset(top + a, left + b)) : all(0)) - shift;
  }
};

Group group_of(const WindowMap& map, int64_t n, int64_t first) {
  Group g{map, map.x + n * map.height * map.width * map.channels + first, std::min(kLanes, map.channels - first), all(0)};
  g.shift = g.some(map.shift + first);
  return g;
}

// Two windows side by side: what is read from memory for one serves the other.
struct Pair {
  int64_t top, left, right;  // of their first values
  bool second;               // whether there is one; its values are zeros if not
  Floats v[kTaps], w[kTaps];
};

inline __attribute__((always_inline)) void read_pair(const Group& g, int64_t row, int64_t column, Pair& pair) {
  pair.top = g.map.stride * row - 1;
  pair.left = g.map.stride * column - 1;
  pair.right = pair.left + g.map.stride;
  pair.second = column + 1 < g.map.columns();
  g.window(pair.top, pair.left, pair.v);
  for (int t = 0; t < kTaps; t++) pair.w[t] = all(0);
  if (pair.second) g.window(pair.top, pair.right, pair.w);
}

// Not inlined: the sums are more than there are registers, and the compiler would keep each in two places.
__attribute__((noinline)) void add_row(const Group& g, int64_t row, Floats* sums) {
  for (int64_t column = 0; column < g.map.columns(); column += 2) {
    Pair p;
    read_pair(g, row, column, p);
    int pair = kTaps;
#pragma GCC unroll 9
    for (int t = 0; t < kTaps; t++) {
      sums[t] += p.v[t] + p.w[t];
#pragma GCC unroll 9
      for (int u = t; u < kTaps; u++, pair++) sums[pair] = sums[pair] + p.v[t] * p.v[u] + p.w[t] * p.w[u];
    }
  }
}

inline __attribute__((always_inline)) void add_window(const Group& g, int64_t top, int64_t left, const Floats* values, float* grad) {
  const bool inside = g.inside(top, left);
  for (int t = 0; t < kTaps; t++) {
    if (!inside && !g.holds(top + t / 3, left + t % 3)) continue;
    float* p = grad + g.offset(top + t / 3, left + t % 3);
    g.put(p, g.some(p) + values[t]);
  }
}

__attribute__((noinline)) void add_gradient_row(const Group& g, int64_t row, const float* slope, const float* constant, float* grad) {
  for (int64_t column = 0; column < g.map.columns(); column += 2) {
    Pair p;
    read_pair(g, row, column, p);
    Floats v[kTaps], w[kTaps];
#pragma GCC unroll 9
    for (int t = 0; t < kTaps; t++) {
      v[t] = w[t] = read(constant + kLanes * t);
#pragma GCC unroll 9
      for (int u = 0; u < kTaps; u++) {
        const Floats factor = read(slope + kLanes * (kTaps * t + u));
        v[t] += factor * p.v[u];
        w[t] += factor * p.w[u];
      }
    }
    add_window(g, p.top, p.left, v, grad);
    if (p.second) add_window(g, p.top, p.right, w, grad);
  }
}

}  // namespace

void window_moments(const WindowMap& map, int64_t n, double* sums) {
  const int64_t block = std::max<int64_t>(1, 64 / map.columns());  // rows that are summed in float32: few enough values
  for (int64_t begin = 0; begin < map.rows(); begin += block)
    for (int64_t first = 0; first < map.channels; first += kLanes) {
      const Group g = group_of(map, n, first);
      Floats part[kTaps + kPairs] = {};
      for (int64_t row = begin; row < std::min(begin + block, map.rows()); row++) add_row(g, row, part);
      for (int k = 0; k < kTaps + kPairs; k++)
        for (int64_t lane = 0; lane < g.lanes; lane++) sums[k * map.channels + first + lane] += double(part[k][lane]);
    }
}

void window_gradient(const WindowMap& map, int64_t n, const float* slope, const float* constant, float* grad) {
  const int64_t row_values = map.width * map.channels;
  int64_t cleared = 0;  // rows of the gradient that have been set to zero
  for (int64_t row = 0; row < map.rows(); row++) {
    const int64_t needed = std::min(map.height, map.stride * row + 2);
    std::memset(grad + cleared * row_values, 0, size_t((needed - cleared) * row_values) * sizeof(float));
    cleared = needed;
    for (int64_t first = 0; first < map.channels; first += kLanes) {
      const Group g = group_of(map, n, first);
      add_gradient_row(g, row, slope + kTaps * kTaps * first, constant + kTaps * first, grad + first);
    }
  }
  std::memset(grad + cleared * row_values, 0, size_t((map.height - cleared) * row_values) * sizeof(float));
}

}  // namespace underone::UNDERONE_ISA
