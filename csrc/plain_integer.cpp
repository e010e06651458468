// Operators of integer networks: sums are exact, results are rounded half to even and saturated.
#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "operators.h"
#include "walk.h"
#include "windows.h"

namespace underone {

namespace {

template <class T>
T saturated(double value) {
  if (!(value > double(std::numeric_limits<T>::min()))) return std::numeric_limits<T>::min();  // a NaN, too
  return value < double(std::numeric_limits<T>::max()) ? T(value) : std::numeric_limits<T>::max();
}

template <class F>
void with_integer(const Making& m, Type type, F f) {
  bool found = false;
  with_type(type, [&](auto t) {
    if constexpr (std::is_integral_v<decltype(t)> && sizeof(t) <= 4) f(t), found = true;
  });
  if (!found) m.unsupported(text(type));
}

// Strides of one value per tensor, or one per index of `axis`, over the shape of operand 0.
Shape along(const Making& m, size_t operand) {
  const int64_t count = elements(m.shape(operand));
  Shape strides(m.shape(0).size(), 0);
  if (count == 1) return strides;
  const int axis = m.axis("axis", m.rank());
  m.require(m.rank(operand) == 1 && count == m.shape(0)[size_t(axis)],
            "operand " + text(m.shape(operand)) + " is neither one value nor one per index of axis " + std::to_string(axis));
  strides[size_t(axis)] = 1;
  return strides;
}

Walk quantization(const Making& m) {
  const Shape own = row_major(m.shape(0)), scale = along(m, 1);
  m.require(!m.given(2) || m.shape(2) == m.shape(1), "scale and zero point differ in shape");
  return joined(m.shape(0), {own, scale});
}

Operator quantize(const Making& m) {
  m.operands(2, 3);
  m.types({Type::float32});
  m.require(m.type(1) == Type::float32, "the scale must be float32");
  const bool offset = m.given(2);
  const Type type = offset ? m.type(2) : Type::uint8;
  m.gives(0, type, m.shape(0));
  const Walk walk = quantization(m);
  Operator made;
  with_integer(m, type, [&](auto t) {
    using T = decltype(t);
    made = runs([=](Span<const Tensor> in, Span<const Tensor> out) {
      const int64_t step = walk.strides[1].back();
      walk.rows<2>([&](const int64_t* at, int64_t n) {
        const float *x = data<float>(in[0]) + at[0], *scale = data<float>(in[1]) + at[1];
        const T* zero = offset ? data<T>(in[2]) + at[1] : nullptr;
        for (int64_t i = 0; i < n; i++)
          data<T>(out[0])[at[0] + i] = saturated<T>(double(std::nearbyintf(x[i] / scale[i * step])) + (zero ? zero[i * step] : T(0)));
      });
    });
  });
  return made;
}

Operator dequantize(const Making& m) {
  m.operands(2, 3);
  m.require(m.type(1) == Type::float32, "the scale must be float32");
  m.require(!m.given(2) || m.type(2) == m.type(0), "the zero point must have the type of the input");
  m.gives(0, Type::float32, m.shape(0));
  const Walk walk = quantization(m);
  const bool offset = m.given(2);
  Operator made;
  with_integer(m, m.type(0), [&](auto t) {
    using T = decltype(t);
    made = runs([=](Span<const Tensor> in, Span<const Tensor> out) {
      const int64_t step = walk.strides[1].back();
      walk.rows<2>([&](const int64_t* at, int64_t n) {
        const T *x = data<T>(in[0]) + at[0], *zero = offset ? data<T>(in[2]) + at[1] : nullptr;
        const float* scale = data<float>(in[1]) + at[1];
        for (int64_t i = 0; i < n; i++)
          data<float>(out[0])[at[0] + i] = float(int64_t(x[i]) - (zero ? int64_t(zero[i * step]) : 0)) * scale[i * step];
      });
    });
  });
  return made;
}

// An operand less its zero point; one zero point per tensor or one per index of an axis.
using Centred = std::unique_ptr<int32_t[]>;

struct Centring {
  Type type;
  int64_t outer, count, inner;  // the tensor around the axis of the zero points; count 1: one for all
  bool given;

  Centred operator()(const Tensor& x, const Tensor* zero) const {
    const int64_t n = elements(x.shape);
    Centred result = scratch<int32_t>(n);
    with_type(type, [&](auto t) {
      using T = decltype(t);
      if constexpr (std::is_integral_v<T> && sizeof(T) == 1)
        for (int64_t i = 0; i < n; i++)
          result[size_t(i)] = int32_t(data<T>(x)[i]) - (given ? int32_t(data<T>(*zero)[count > 1 ? i / inner % count : 0]) : 0);
    });
    return result;
  }
};

Centring centring(const Making& m, size_t x, size_t zero, int64_t axis) {
  if (m.type(x) != Type::uint8 && m.type(x) != Type::int8) m.unsupported(text(m.type(x)));
  Centring c{m.type(x), 1, 1, 1, m.given(zero)};
  if (!c.given) return c;
  m.require(m.type(zero) == m.type(x), "operand and zero point differ in type");
  c.count = elements(m.shape(zero));
  if (c.count == 1) return c;
  const Shape& shape = m.shape(x);
  m.require(m.rank(zero) == 1 && axis >= 0 && axis < int64_t(shape.size()) && shape[size_t(axis)] == c.count,
            "zero points " + text(m.shape(zero)) + " of an operand " + text(shape));
  c.inner = elements(Shape(shape.begin() + axis + 1, shape.end()));
  return c;
}

struct Layer {
  Axes axes;
  int64_t images, groups, in, out;  // channels per group
};

Layer layer(const Making& m, size_t weight) {
  const Shape &x = m.shape(0), &w = m.shape(weight);
  Layer l;
  l.axes = window_axes(m, spatial(m, weight));
  l.groups = m.integer("group");
  m.require(l.groups >= 1 && w[0] > 0 && w[0] % l.groups == 0 && x[1] % l.groups == 0 && w[1] == x[1] / l.groups,
            "input " + text(x) + ", weight " + text(w) + ": the channels do not fit");
  l.images = x[0], l.in = w[1], l.out = w[0] / l.groups;
  return l;
}

// Calls f(output channel, sums, pixels, map number) for every output map.
template <class F>
void convolve(const Layer& l, const int32_t* x, const int32_t* w, F f) {
  const int64_t from = pixels_in(l.axes), to = pixels_out(l.axes), taps = taps_of(l.axes), channels = l.groups * l.out;
  const Axis& a = l.axes.back();
  std::vector<int64_t> sums(size_t(to), 0);
  for (int64_t map = 0; map < l.images * channels; map++) {
    const int64_t o = map % channels, image = map / channels * l.groups + o / l.out;
    std::fill(sums.begin(), sums.end(), 0);
    each_row(l.axes, 0, to, [&](const int64_t* at, int64_t first, int64_t n, int64_t offset) {
      outer_taps(l.axes, at, [&](int64_t tap, int64_t row) {
        inner_taps(a, first, n, [&](int64_t t, int64_t place, int64_t count, int64_t start) {
          int64_t* y = sums.data() + offset + place - first;
          for (int64_t c = 0; c < l.in; c++) {
            const int64_t weight = w[(o * l.in + c) * taps + tap * a.kernel + t];
            const int32_t* v = x + (image * l.in + c) * from + row * a.in + start;
            for (int64_t i = 0; i < count; i++) y[i] += weight * v[i * a.stride];
          }
        });
      });
    });
    f(o, sums.data(), to, map);
  }
}

const Tensor* operand(Span<const Tensor> in, size_t i) { return i < in.size() ? &in[i] : nullptr; }

Operator conv_integer(const Making& m) {
  m.operands(2, 4);
  const Layer l = layer(m, 1);
  m.gives(0, Type::int32, shape_of(l.images, l.groups * l.out, l.axes));
  const Centring x = centring(m, 0, 2, -1), w = centring(m, 1, 3, 0);
  return runs([=](Span<const Tensor> in, Span<const Tensor> out) {
    if (elements(out[0].shape) == 0) return;
    convolve(l, x(in[0], operand(in, 2)).get(), w(in[1], operand(in, 3)).get(),
             [&](int64_t, const int64_t* sums, int64_t n, int64_t map) {
               for (int64_t i = 0; i < n; i++) data<int32_t>(out[0])[map * n + i] = int32_t(sums[i]);
             });
  });
}

Operator conv_quantized(const Making& m) {
  m.operands(8, 9);
  const Layer l = layer(m, 3);
  const int64_t channels = l.groups * l.out;
  m.gives(0, m.type(7), shape_of(l.images, channels, l.axes));
  const Centring x = centring(m, 0, 2, -1), w = centring(m, 3, 5, 0);
  for (size_t i : {1, 4, 6}) m.require(m.type(i) == Type::float32, "scales must be float32");
  const int64_t scales = elements(m.shape(4));
  m.require(elements(m.shape(1)) == 1 && elements(m.shape(6)) == 1 && elements(m.shape(7)) == 1 && (scales == 1 || scales == channels),
            "one scale per tensor, or one per output channel of the weight, is required");
  const bool biased = m.given(8);
  m.require(!biased || (m.type(8) == Type::int32 && m.shape(8) == Shape{channels}), "bias must be int32 with one value per output channel");
  Operator made;
  with_integer(m, m.type(7), [&](auto t) {
    using T = decltype(t);
    made = runs([=](Span<const Tensor> in, Span<const Tensor> out) {
      if (elements(out[0].shape) == 0) return;
      const double zero = double(*data<T>(in[7]));
      convolve(l, x(in[0], &in[2]).get(), w(in[3], &in[5]).get(), [&](int64_t o, const int64_t* sums, int64_t n, int64_t map) {
        const float scale = *data<float>(in[1]) * data<float>(in[4])[scales > 1 ? o : 0] / *data<float>(in[6]);
        const int64_t bias = biased ? data<int32_t>(in[8])[o] : 0;
        for (int64_t i = 0; i < n; i++)
          data<T>(out[0])[map * n + i] = saturated<T>(double(std::nearbyintf(float(sums[i] + bias) * scale)) + zero);
      });
    });
  });
  return made;
}

// A stack of products of whole numbers: a (…, m, k), b (…, k, n).
struct Products {
  int64_t m, n, k;
  Shape shape;
  Walk walk;  // over the stack; strides in elements
};

Products products(const Making& making, size_t left, size_t right) {
  Shape a = making.shape(left), b = making.shape(right);
  making.require(!a.empty() && !b.empty(), "at least vectors are required");
  const bool row = a.size() == 1, column = b.size() == 1;
  if (row) a.insert(a.begin(), 1);
  if (column) b.push_back(1);
  Products p;
  p.m = a[a.size() - 2], p.k = a.back(), p.n = b.back();
  making.require(p.k == b[b.size() - 2], "operands " + text(making.shape(left)) + " and " + text(making.shape(right)) + " do not fit");
  const Shape outer_a(a.begin(), a.end() - 2), outer_b(b.begin(), b.end() - 2);
  const Shape outer = broadcast(outer_a, outer_b);
  p.shape = outer;
  if (!row) p.shape.push_back(p.m);
  if (!column) p.shape.push_back(p.n);
  p.walk = joined(outer, {broadcast_strides(outer_a, outer), broadcast_strides(outer_b, outer), row_major(outer)});
  return p;
}

// Calls f(position in the result, sum).
template <class F>
void multiply(const Products& p, const int32_t* a, const int32_t* b, F f) {
  if (p.m == 0 || p.n == 0) return;
  std::vector<int64_t> sums(size_t(p.n), 0);
  p.walk.rows<3>([&](const int64_t* at, int64_t count) {
    for (int64_t s = 0; s < count; s++) {
      const int32_t* x = a + (at[0] + s * p.walk.strides[0].back()) * p.m * p.k;
      const int32_t* w = b + (at[1] + s * p.walk.strides[1].back()) * p.k * p.n;
      const int64_t to = (at[2] + s * p.walk.strides[2].back()) * p.m * p.n;
      for (int64_t i = 0; i < p.m; i++) {
        std::fill(sums.begin(), sums.end(), 0);
        for (int64_t l = 0; l < p.k; l++)
          for (int64_t j = 0; j < p.n; j++) sums[size_t(j)] += int64_t(x[i * p.k + l]) * w[l * p.n + j];
        for (int64_t j = 0; j < p.n; j++) f(to + i * p.n + j, sums[size_t(j)]);
      }
    }
  });
}

Operator matmul_integer(const Making& m) {
  m.operands(2, 4);
  const Products p = products(m, 0, 1);
  m.gives(0, Type::int32, p.shape);
  const Centring a = centring(m, 0, 2, m.rank(0) - 2), b = centring(m, 1, 3, m.rank(1) - 1);
  return runs([=](Span<const Tensor> in, Span<const Tensor> out) {
    multiply(p, a(in[0], operand(in, 2)).get(), b(in[1], operand(in, 3)).get(),
             [&](int64_t at, int64_t sum) { data<int32_t>(out[0])[at] = int32_t(sum); });
  });
}

Operator matmul_quantized(const Making& m) {
  m.operands(8, 8);
  const Products p = products(m, 0, 3);
  m.gives(0, m.type(7), p.shape);
  const Centring a = centring(m, 0, 2, -1), b = centring(m, 3, 5, -1);
  for (size_t i : {1, 4, 6}) {
    m.require(m.type(i) == Type::float32, "scales must be float32");
    if (elements(m.shape(i)) != 1) m.unsupported("several scales per tensor");
  }
  m.require(elements(m.shape(7)) == 1, "one zero point per tensor is required");
  Operator made;
  with_integer(m, m.type(7), [&](auto t) {
    using T = decltype(t);
    made = runs([=](Span<const Tensor> in, Span<const Tensor> out) {
      const float scale = *data<float>(in[1]) * *data<float>(in[4]) / *data<float>(in[6]);
      const double zero = double(*data<T>(in[7]));
      multiply(p, a(in[0], &in[2]).get(), b(in[3], &in[5]).get(), [&](int64_t at, int64_t sum) {
        data<T>(out[0])[at] = saturated<T>(double(std::nearbyintf(float(sum) * scale)) + zero);
      });
    });
  });
  return made;
}

}  // namespace

Makers integer_makers() {
  return {
      {"QuantizeLinear", quantize}, {"DequantizeLinear", dequantize}, {"ConvInteger", conv_integer},
      {"QLinearConv", conv_quantized}, {"MatMulInteger", matmul_integer}, {"QLinearMatMul", matmul_quantized},
  };
}

}  // namespace underone
