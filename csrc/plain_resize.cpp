// Resize: one axis after the other, each by a short list of weighted elements per output position.
// Source: ONNX operator specification, Resize-19; cubic kernel: Keys 1981, equation 15.
#include <algorithm>
#include <cmath>

#include "operators.h"
#include "walk.h"

namespace underone {

namespace {

struct Sampling {
  std::string mode, coordinate, nearest;
  double cubic;
};

Sampling sampling(const Making& m) {
  const Sampling s{m.word("mode"), m.word("coordinate_transformation_mode"), m.word("nearest_mode"), m.number("cubic_coeff_a")};
  auto known = [&](const std::string& value, std::initializer_list<const char*> list) {
    if (std::find(list.begin(), list.end(), value) == list.end()) m.unsupported("'" + value + "'");
  };
  known(s.mode, {"nearest", "linear", "cubic"});
  known(s.coordinate, {"asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners", "half_pixel_symmetric"});
  known(s.nearest, {"floor", "ceil", "round_prefer_floor", "round_prefer_ceil"});
  return s;
}

// Position in an input of n elements of output position i of m.
double coordinate(const std::string& how, double i, double scale, double n, double m) {
  if (how == "asymmetric") return i / scale;
  if (how == "align_corners") return m > 1 ? i * (n - 1) / (m - 1) : 0;
  if (how == "pytorch_half_pixel" && m <= 1) return 0;
  const double half = (i + 0.5) / scale - 0.5;
  return how == "half_pixel_symmetric" ? n / 2 * (1 - m / (n * scale)) + half : half;
}

double nearest(const std::string& how, double at) {
  if (how == "floor") return std::floor(at);
  if (how == "ceil") return std::ceil(at);
  return how == "round_prefer_floor" ? std::ceil(at - 0.5) : std::floor(at + 0.5);
}

double cubic(double d, double a) {
  d = std::fabs(d);
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

// The taps of one axis: `count` places and weights per output position. Borders repeat.
struct Taps {
  int64_t outer, in, out, inner;  // the tensor before this axis is done: (outer, in, inner)
  int count;
  std::vector<int64_t> places;
  std::vector<float> weights;
};

Taps taps_of(const Sampling& s, int64_t in, int64_t out, double scale) {
  Taps t{1, in, out, 1, s.mode == "nearest" ? 1 : s.mode == "linear" ? 2 : 4, {}, {}};
  for (int64_t i = 0; i < out; i++) {
    const double at = coordinate(s.coordinate, double(i), scale, double(in), double(out));
    const double first = t.count == 1 ? nearest(s.nearest, at) : std::floor(at) - (t.count == 4 ? 1 : 0);
    for (int k = 0; k < t.count; k++) {
      const double place = first + k, distance = std::fabs(place - at);
      t.places.push_back(int64_t(std::min(std::max(place, 0.0), double(in - 1))));
      t.weights.push_back(float(t.count == 1 ? 1 : t.count == 2 ? 1 - distance : cubic(distance, s.cubic)));
    }
  }
  return t;
}

std::vector<Taps> all_taps(const Making& m) {
  const Sampling s = sampling(m);
  const Shape &x = m.shape(0), &y = m.out[0].shape;
  const std::vector<double> scales = m.numbers("scales");
  m.require(y.size() == x.size() && (scales.empty() || scales.size() == x.size()), "scales must have one value per axis");
  std::vector<Taps> all;
  for (size_t i = x.size(); i-- > 0;) {  // the last axis first: it is the slowest, and there are fewer rows yet
    const double scale = scales.empty() ? double(y[i]) / double(x[i]) : scales[i];
    m.require(x[i] > 0 && scale > 0 && std::isfinite(scale), "input " + text(x) + " cannot be resized");
    if (!scales.empty())  // in float32, as ONNX stores the scales
      m.require(double(y[i]) == std::floor(float(x[i]) * float(scale)), "output " + text(y) + " is another size than the scales say");
    if (x[i] == y[i] && scale == 1) continue;
    m.require(y[i] < int64_t(1) << 28, "output " + text(y) + " is too large");
    Taps t = taps_of(s, x[i], y[i], scale);
    for (size_t k = 0; k < i; k++) t.outer *= x[k];
    for (size_t k = i + 1; k < x.size(); k++) t.inner *= y[k];
    all.push_back(std::move(t));
  }
  return all;
}

void sample(const Taps& t, const Loops& loops, const float* x, float* y) {
  for (int64_t o = 0; o < t.outer; o++)
    for (int64_t i = 0; i < t.out; i++) {
      const int64_t* places = t.places.data() + i * t.count;
      const float* weights = t.weights.data() + i * t.count;
      const float* image = x + o * t.in * t.inner;
      float* row = y + (o * t.out + i) * t.inner;
      if (t.inner == 1) {
        float sum = 0;
        for (int k = 0; k < t.count; k++) sum += weights[k] * image[places[k]];
        *row = sum;
        continue;
      }
      std::fill_n(row, t.inner, 0.f);
      for (int k = 0; k < t.count; k++) loops.add_scaled(weights[k], image + places[k] * t.inner, 1, row, t.inner);
    }
}

// What lies before the first axis that changes, image by image: what lies between two axes stays in the cache.
Operator linear(const Making& m, std::vector<Taps> all) {
  const Loops& loops = m.loops;
  const int64_t images = all.back().outer;
  for (Taps& t : all) t.outer = images ? t.outer / images : 0;
  return shares([all = std::move(all), images, &loops](Span<const Tensor> in, Span<const Tensor> out, Share share) {
    const Taps &front = all[0], &back = all.back();
    std::unique_ptr<float[]> held, next;
    for (int64_t image = share.first(images); image < share.last(images); image++) {
      const float* x = data<float>(in[0]) + image * front.outer * front.in * front.inner;
      for (size_t i = 0; i < all.size(); i++) {
        float* y = data<float>(out[0]) + image * back.out * back.inner;
        if (i + 1 < all.size()) {
          next = scratch<float>(all[i].outer * all[i].out * all[i].inner);
          y = next.get();
        }
        sample(all[i], loops, x, y);
        held = std::move(next);
        x = held.get();
      }
    }
  });
}

template <class T>
void pick(const std::vector<Taps>& all, const Shape& shape, const T* x, T* y) {
  std::vector<T> held(x, x + elements(shape)), next;
  for (const Taps& t : all) {
    next.resize(size_t(t.outer * t.out * t.inner));
    for (int64_t o = 0; o < t.outer; o++)
      for (int64_t i = 0; i < t.out; i++)
        std::copy_n(held.data() + (o * t.in + t.places[size_t(i)]) * t.inner, t.inner, next.data() + (o * t.out + i) * t.inner);
    held.swap(next);
  }
  std::copy(held.begin(), held.end(), y);
}

Operator resize(const Making& m) {
  m.operands(1, 1);
  m.gives(0, m.type(0), m.out[0].shape);
  std::vector<Taps> all = all_taps(m);
  for (const Taps& t : all) {  // what lies between two axes has a size, too
    int64_t size = 0;
    m.require(!__builtin_mul_overflow(t.outer, t.out, &size) && !__builtin_mul_overflow(size, t.inner, &size) && size <= kLargest / 4,
              "what lies between two axes is too large");
  }
  const Shape shape = m.shape(0);
  if (m.word("mode") == "nearest" || all.empty()) {
    const size_t size = size_of(m.type(0));
    return runs([all = std::move(all), shape, size](Span<const Tensor> in, Span<const Tensor> out) {
      auto run = [&](auto t) {
        using T = decltype(t);
        pick(all, shape, static_cast<const T*>(in[0].data), static_cast<T*>(out[0].data));
      };
      size == 1 ? run(uint8_t()) : size == 2 ? run(uint16_t()) : size == 4 ? run(uint32_t()) : run(uint64_t());
    });
  }
  m.types({Type::float32});
  return linear(m, std::move(all));
}

}  // namespace

Makers resize_makers() { return {{"Resize", resize}}; }

}  // namespace underone
