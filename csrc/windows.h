// Windows that slide over the spatial axes of (N, C, …): which taps meet which elements, for any number of axes.
#pragma once
#include <algorithm>
#include <vector>

#include "operators.h"

namespace underone {

// One spatial axis: tap t of the window at output position o meets input position o stride + t dilation - before.
struct Axis {
  int64_t in, out, kernel, stride, dilation, before, after;
};
using Axes = std::vector<Axis>;
constexpr size_t kMostAxes = 6;

// Axes of an operator with the attributes strides, pads, dilations, auto_pad (and ceil_mode, where it has that), over
// the sizes of operand 0. Throws std::invalid_argument when no window fits.
Axes window_axes(const Making& m, const Shape& kernel);
// The same for transposed convolution: `in` and `out` are those of the convolution that it is the adjoint of.
Axes transposed_axes(const Making& m, const Shape& kernel);

Shape spatial(const Making& m, size_t operand);  // sizes behind the first two axes
int64_t pixels_in(const Axes& axes);
int64_t pixels_out(const Axes& axes);
int64_t taps_of(const Axes& axes);
Shape shape_of(int64_t images, int64_t channels, const Axes& axes, bool in = false);

inline int64_t ceil_div(int64_t a, int64_t b) { return a >= 0 ? (a + b - 1) / b : -(-a / b); }

// Calls f(at, x, n, offset) for each part of an output row among the pixels [first, last): outer position, first
// position in the row, length, and how far from `first` it begins.
template <class F>
void each_row(const Axes& axes, int64_t first, int64_t last, F f) {
  const int64_t width = axes.back().out;
  int64_t at[kMostAxes];
  for (int64_t pixel = first; pixel < last;) {
    int64_t row = pixel / width;
    const int64_t x = pixel % width, n = std::min(width - x, last - pixel);
    for (size_t i = axes.size() - 1; i-- > 0; row /= axes[i].out) at[i] = row % axes[i].out;
    f(static_cast<const int64_t*>(at), x, n, pixel - first);
    pixel += n;
  }
}

// Calls f(tap, row) for each tap of all axes but the last that lies inside: its number, and the input row that it meets.
template <class F>
void outer_taps(const Axes& axes, const int64_t* at, F f, size_t axis = 0, int64_t tap = 0, int64_t row = 0) {
  if (axis + 1 == axes.size()) return f(tap, row);
  const Axis& a = axes[axis];
  const int64_t start = at[axis] * a.stride - a.before;
  const int64_t begin = start < 0 ? ceil_div(-start, a.dilation) : 0;
  const int64_t end = start >= a.in ? 0 : std::min(a.kernel, (a.in - 1 - start) / a.dilation + 1);
  for (int64_t t = begin; t < end; t++) outer_taps(axes, at, f, axis + 1, tap * a.kernel + t, row * a.in + start + t * a.dilation);
}

// Calls f(tap, x, n, from) for each tap of the last axis: it meets input positions from, from + stride, … at the n
// output positions from x on, which are among [first, first + count).
template <class F>
void inner_taps(const Axis& a, int64_t first, int64_t count, F f) {
  const int64_t begin = std::max<int64_t>(0, ceil_div(a.before - (first + count - 1) * a.stride, a.dilation));
  const int64_t reach = a.in - 1 + a.before - first * a.stride;
  const int64_t end = reach < 0 ? 0 : std::min(a.kernel, reach / a.dilation + 1);
  for (int64_t t = begin; t < end; t++) {
    const int64_t shift = t * a.dilation - a.before;  // input position of output position 0
    const int64_t x = std::max(first, ceil_div(-shift, a.stride));
    const int64_t stop = a.in - 1 < shift ? 0 : std::min(first + count, (a.in - 1 - shift) / a.stride + 1);
    if (x < stop) f(t, x, stop - x, x * a.stride + shift);
  }
}

}  // namespace underone
