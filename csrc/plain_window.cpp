// Convolutions and pools.
#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "matrix.h"
#include "operators.h"
#include "windows.h"

namespace underone {

namespace {

struct Convolution {
  Axes axes;
  int64_t images, groups, in, out, depth;  // channels per group; in * taps
  bool biased;
};

Convolution convolution(const Making& m, bool transposed) {
  m.operands(2, 3);
  m.types({Type::float32});
  m.same_types();
  const Shape kernel = spatial(m, 1), &x = m.shape(0), &w = m.shape(1);
  Convolution c;
  c.axes = transposed ? transposed_axes(m, kernel) : window_axes(m, kernel);
  c.groups = m.integer("group");
  m.require(c.groups >= 1 && x[1] % c.groups == 0 && w[0] % c.groups == 0 && w[0] > 0, "group does not divide the channels");
  c.images = x[0], c.in = x[1] / c.groups, c.out = transposed ? w[1] : w[0] / c.groups;
  m.require(transposed ? w[0] == x[1] : w[1] == c.in, "input " + text(x) + ", weight " + text(w) + ": the channels do not fit");
  c.depth = transposed ? c.out * taps_of(c.axes) : c.in * taps_of(c.axes);
  c.biased = m.given(2);
  m.require(!c.biased || m.shape(2) == Shape{c.out * c.groups}, "bias must have one value per output channel");
  m.gives(0, Type::float32, shape_of(c.images, c.out * c.groups, c.axes, transposed));
  auto untouched = [](const Axis& a) { return a.kernel == 1 && a.stride == 1 && a.before == 0 && a.after == 0 && a.in == a.out; };
  if (std::all_of(c.axes.begin(), c.axes.end(), untouched))
    c.axes = {Axis{pixels_in(c.axes), pixels_out(c.axes), 1, 1, 1, 0, 0}};  // pixels of their own: rows do not matter
  return c;
}

// One input channel per group: the output rows are sums of shifted input rows.
void one_by_one(const Convolution& c, const Loops& loops, const float* x, const float* w, const float* bias, float* y, Share share) {
  const int64_t taps = taps_of(c.axes), from = pixels_in(c.axes), to = pixels_out(c.axes);
  const Axis& last = c.axes.back();
  const int64_t all = c.images * c.groups * c.out;
  for (int64_t channel = share.first(all); channel < share.last(all); channel++) {
    const int64_t o = channel % (c.groups * c.out);
    const float *image = x + channel / c.out * from, *weight = w + o * taps;
    float* map = y + channel * to;
    std::fill_n(map, to, bias ? bias[o] : 0.f);
    each_row(c.axes, 0, to, [&](const int64_t* at, int64_t first, int64_t n, int64_t offset) {
      outer_taps(c.axes, at, [&](int64_t tap, int64_t row) {
        inner_taps(last, first, n, [&](int64_t t, int64_t place, int64_t count, int64_t start) {
          loops.add_scaled(weight[tap * last.kernel + t], image + row * last.in + start, last.stride, map + offset + place - first, count);
        });
      });
    });
  }
}

// Output pixels [first, last) of a group as columns: panel[channel, tap][pixel].
void gather_columns(const Convolution& c, const float* x, int64_t first, int64_t last, float* panel, int64_t width) {
  const int64_t from = pixels_in(c.axes), taps = taps_of(c.axes);
  const Axis& a = c.axes.back();
  std::fill_n(panel, c.depth * width, 0.f);
  each_row(c.axes, first, last, [&](const int64_t* at, int64_t begin, int64_t n, int64_t offset) {
    outer_taps(c.axes, at, [&](int64_t tap, int64_t row) {
      inner_taps(a, begin, n, [&](int64_t t, int64_t place, int64_t count, int64_t start) {
        const float* image = x + row * a.in + start;
        float* column = panel + (tap * a.kernel + t) * width + offset + place - begin;
        for (int64_t channel = 0; channel < c.in; channel++, image += from, column += taps * width) {
          if (a.stride == 1) std::copy_n(image, count, column);
          else for (int64_t i = 0; i < count; i++) column[i] = image[i * a.stride];
        }
      });
    });
  });
}

Operator conv(const Making& m) {
  const Convolution c = convolution(m, false);
  const Loops& loops = m.loops;
  const int64_t from = pixels_in(c.axes), to = pixels_out(c.axes);
  const int64_t width = panel_width(loops, c.depth, std::max<int64_t>(to, 1));
  return shares([=, &loops](Span<const Tensor> in, Span<const Tensor> out, Share share) {
    const float *x = data<float>(in[0]), *w = data<float>(in[1]), *bias = c.biased ? data<float>(in[2]) : nullptr;
    float* y = data<float>(out[0]);
    if (elements(out[0].shape) == 0) return;
    if (c.in == 1 && c.out <= 4) return one_by_one(c, loops, x, w, bias, y, share);
    const auto panel = scratch<float>(c.depth * width);
    const int64_t columns = ceil_div(to, width), all = c.images * c.groups * columns;
    for (int64_t piece = share.first(all); piece < share.last(all); piece++) {
      const int64_t i = piece / columns, g = i % c.groups;
      {
        const int64_t first = piece % columns * width, last = std::min(first + width, to);
        gather_columns(c, x + i * c.in * from, first, last, panel.get(), width);
        loops.product(c.out, last - first, c.depth, w + g * c.out * c.depth, c.depth, 1, panel.get(), width,
                      bias ? bias + g * c.out : nullptr, y + i * c.out * to + first, to);
      }
    }
  });
}

// Adds columns [output channel, tap][pixel] to the output pixels that they meet.
void spread_columns(const Convolution& c, const float* columns, int64_t width, int64_t first, int64_t last, float* y) {
  const int64_t to = pixels_in(c.axes), taps = taps_of(c.axes);
  const Axis& a = c.axes.back();
  each_row(c.axes, first, last, [&](const int64_t* at, int64_t begin, int64_t n, int64_t offset) {
    outer_taps(c.axes, at, [&](int64_t tap, int64_t row) {
      inner_taps(a, begin, n, [&](int64_t t, int64_t place, int64_t count, int64_t start) {
        float* map = y + row * a.in + start;
        const float* column = columns + (tap * a.kernel + t) * width + offset + place - begin;
        for (int64_t channel = 0; channel < c.out; channel++, map += to, column += taps * width)
          for (int64_t i = 0; i < count; i++) map[i * a.stride] += column[i];
      });
    });
  });
}

Operator conv_transposed(const Making& m) {
  const Convolution c = convolution(m, true);
  const Loops& loops = m.loops;
  const int64_t from = pixels_out(c.axes), to = pixels_in(c.axes);
  const int64_t width = panel_width(loops, std::max(c.depth, c.in), std::max<int64_t>(from, 1));
  return runs([=, &loops](Span<const Tensor> in, Span<const Tensor> out) {
    const float *x = data<float>(in[0]), *w = data<float>(in[1]);
    float* y = data<float>(out[0]);
    if (elements(out[0].shape) == 0) return;
    const auto panel = scratch<float>(c.in * width), columns = scratch<float>(c.depth * width);
    std::fill_n(panel.get(), c.in * width, 0.f);
    for (int64_t i = 0; i < c.images * c.groups; i++) {
      const int64_t g = i % c.groups;
      for (int64_t o = 0; o < c.out; o++)
        std::fill_n(y + (i * c.out + o) * to, to, c.biased ? data<float>(in[2])[g * c.out + o] : 0.f);
      for (int64_t first = 0; first < from; first += width) {
        const int64_t last = std::min(first + width, from);
        for (int64_t k = 0; k < c.in; k++) std::copy(x + (i * c.in + k) * from + first, x + (i * c.in + k) * from + last, panel.get() + k * width);
        loops.product(c.depth, last - first, c.in, w + g * c.in * c.depth, 1, c.depth, panel.get(), width, nullptr, columns.get(), width);
        spread_columns(c, columns.get(), width, first, last, y + i * c.out * to);
      }
    }
  });
}

template <class T, class F>
Operator pool_over(const Axes& axes, int64_t maps, T start, F meet) {  // meet(x, step, y, n)
  const int64_t from = pixels_in(axes), to = pixels_out(axes);
  return shares([=](Span<const Tensor> in, Span<const Tensor> out, Share share) {
    const Axis& a = axes.back();
    for (int64_t i = share.first(maps); i < share.last(maps); i++) {
      const T* image = data<T>(in[0]) + i * from;
      T* map = data<T>(out[0]) + i * to;
      std::fill_n(map, to, start);
      each_row(axes, 0, to, [&](const int64_t* at, int64_t first, int64_t n, int64_t offset) {
        outer_taps(axes, at, [&](int64_t, int64_t row) {
          inner_taps(a, first, n, [&](int64_t, int64_t place, int64_t count, int64_t begin) {
            meet(image + row * a.in + begin, a.stride, map + offset + place - first, count);
          });
        });
      });
    }
  });
}

struct Pool {
  Axes axes;
  int64_t maps;
};

Pool pool(const Making& m) {
  m.operands(1, 1);
  Pool p{window_axes(m, m.integers("kernel_shape")), 0};
  m.gives(0, m.type(0), shape_of(m.shape(0)[0], m.shape(0)[1], p.axes));
  p.maps = elements(m.out[0].shape) ? m.shape(0)[0] * m.shape(0)[1] : 0;
  return p;
}

Operator max_pool(const Making& m) {
  const Pool p = pool(m);
  if (m.type(0) == Type::float32) return pool_over<float>(p.axes, p.maps, -INFINITY, m.loops.keep_larger);
  Operator made;
  with_type(m.type(0), [&](auto t) {
    using T = decltype(t);
    if constexpr (std::is_arithmetic_v<T>)
      made = pool_over<T>(p.axes, p.maps, std::is_floating_point_v<T> ? T(-INFINITY) : std::numeric_limits<T>::lowest(),
                          [](const T* x, int64_t step, T* y, int64_t n) {
                            for (int64_t i = 0; i < n; i++) y[i] = x[i * step] > y[i] || x[i * step] != x[i * step] ? x[i * step] : y[i];
                          });
  });
  if (!made) m.unsupported(text(m.type(0)));
  return made;
}

// Elements that count at each output position of an axis: those inside, or (padded) those in the stated padding as well.
std::vector<float> counts(const Axis& a, bool padded) {
  std::vector<float> found(size_t(a.out), 0.f);
  for (size_t o = 0; o < found.size(); o++) {
    const int64_t start = int64_t(o) * a.stride - a.before, stop = padded ? a.in + a.after : a.in;
    const int64_t begin = padded || start >= 0 ? 0 : ceil_div(-start, a.dilation);
    const int64_t end = start >= stop ? 0 : std::min(a.kernel, (stop - 1 - start) / a.dilation + 1);
    found[o] = float(std::max<int64_t>(end - begin, 0));
  }
  return found;
}

Operator average_pool(const Making& m) {
  const Pool p = pool(m);
  m.types({Type::float32});
  const bool padded = m.integer("count_include_pad") != 0;
  const int64_t to = pixels_out(p.axes);
  std::vector<std::vector<float>> divisors;
  if (p.maps)
    for (const Axis& a : p.axes) divisors.push_back(counts(a, padded));
  const Loops& loops = m.loops;
  std::shared_ptr<Plain> sums = pool_over<float>(p.axes, p.maps, 0.f, [&loops](const float* x, int64_t step, float* y, int64_t n) {
    loops.add_scaled(1, x, step, y, n);
  });
  return shares([=](Span<const Tensor> in, Span<const Tensor> out, Share share) {
    sums->run(in, out, share);
    for (int64_t i = share.first(p.maps); i < share.last(p.maps); i++)
      each_row(p.axes, 0, to, [&](const int64_t* at, int64_t, int64_t n, int64_t offset) {
        float outer = 1;
        for (size_t axis = 0; axis + 1 < p.axes.size(); axis++) outer *= divisors[axis][size_t(at[axis])];
        float* y = data<float>(out[0]) + i * to + offset;
        for (int64_t x = 0; x < n; x++) y[x] /= outer * divisors.back()[size_t(x)];
      });
  });
}

}  // namespace

Makers window_makers() {
  return {{"Conv", conv}, {"ConvTranspose", conv_transposed}, {"MaxPool", max_pool}, {"AveragePool", average_pool}};
}

}  // namespace underone
