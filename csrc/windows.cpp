#include "windows.h"

namespace underone {

namespace {

constexpr int64_t kMost = int64_t(1) << 31;  // no product of two such numbers overflows

struct Given {
  Shape strides, dilations, pads;
};

Given given(const Making& m, const Shape& kernel) {
  const size_t rank = kernel.size();
  m.require(rank >= 1 && int(rank) == m.rank() - 2, "window " + text(kernel) + " over the input " + text(m.shape(0)));
  if (rank > kMostAxes) m.unsupported(std::to_string(rank) + " spatial axes");
  Given g{m.integers("strides"), m.integers("dilations"), m.integers("pads")};
  auto check = [&](const Shape& values, size_t count, int64_t least, const char* what) {
    bool fits = values.size() == count;
    for (int64_t v : values) fits &= v >= least && v < kMost;
    m.require(fits, std::string(what) + " " + text(values) + " does not fit the input " + text(m.shape(0)));
  };
  check(kernel, rank, 1, "window");
  int64_t taps = 1;
  for (int64_t k : kernel) m.require(!__builtin_mul_overflow(taps, k, &taps) && taps < kLargest, "window " + text(kernel) + " is too large");
  check(g.strides, rank, 1, "strides");
  check(g.dilations, rank, 1, "dilations");
  check(g.pads, 2 * rank, 0, "pads");
  return g;
}

}  // namespace

Shape spatial(const Making& m, size_t operand) {
  const Shape& shape = m.shape(operand);
  m.require(shape.size() >= 3, "operand " + text(shape) + "; (N, C, …) with at least one spatial axis is required");
  return Shape(shape.begin() + 2, shape.end());
}

Axes window_axes(const Making& m, const Shape& kernel) {
  const Shape sizes = spatial(m, 0);
  const Given g = given(m, kernel);
  const std::string& automatic = m.word("auto_pad");
  const bool upper = automatic == "SAME_UPPER", lower = automatic == "SAME_LOWER", ceil = m.has("ceil_mode") && m.integer("ceil_mode") != 0;
  m.require(upper || lower || automatic == "NOTSET", "auto_pad '" + automatic + "'");
  Axes axes;
  for (size_t i = 0; i < kernel.size(); i++) {
    Axis a{sizes[i], 0, kernel[i], g.strides[i], g.dilations[i], g.pads[i], g.pads[i + kernel.size()]};
    m.require(a.in < kMost, "input " + text(m.shape(0)) + " is too large");
    const int64_t reach = a.dilation * (a.kernel - 1) + 1;
    if (upper || lower) {
      const int64_t total = std::max<int64_t>((ceil_div(a.in, a.stride) - 1) * a.stride + reach - a.in, 0);
      a.before = upper ? total / 2 : total - total / 2, a.after = total - a.before;
    }
    const int64_t free = a.in + a.before + a.after - reach;
    m.require(free >= 0, "the window " + text(kernel) + " is larger than the padded input " + text(m.shape(0)));
    a.out = (ceil ? ceil_div(free, a.stride) : free / a.stride) + 1;
    if (ceil && (a.out - 1) * a.stride >= a.in + a.before) a.out--;  // no window starts in the padding behind
    axes.push_back(a);
  }
  return axes;
}

Axes transposed_axes(const Making& m, const Shape& kernel) {
  const Shape sizes = spatial(m, 0);
  const Given g = given(m, kernel);
  const Shape extra = m.integers("output_padding");
  m.require(m.word("auto_pad") == "NOTSET" && extra.size() == kernel.size(), "auto_pad must be NOTSET");
  Axes axes;
  for (size_t i = 0; i < kernel.size(); i++) {
    Axis a{0, sizes[i], kernel[i], g.strides[i], g.dilations[i], g.pads[i], g.pads[i + kernel.size()]};
    m.require(a.out >= 1 && a.out < kMost && extra[i] >= 0 && extra[i] < kMost, "sizes do not fit");
    int64_t reach = 0, span = 0;
    const bool large = __builtin_mul_overflow(a.out - 1, a.stride, &span) || __builtin_mul_overflow(a.kernel - 1, a.dilation, &reach) ||
                       span > kMost || reach > kMost;
    a.in = large ? 0 : span + reach + 1 + extra[i] - a.before - a.after;
    m.require(a.in > 0 && a.in < kMost, "the output has no size, or is too large");
    axes.push_back(a);
  }
  return axes;
}

int64_t pixels_in(const Axes& axes) {
  int64_t product = 1;
  for (const Axis& a : axes) product *= a.in;
  return product;
}

int64_t pixels_out(const Axes& axes) {
  int64_t product = 1;
  for (const Axis& a : axes) product *= a.out;
  return product;
}

int64_t taps_of(const Axes& axes) {
  int64_t product = 1;
  for (const Axis& a : axes) product *= a.kernel;
  return product;
}

Shape shape_of(int64_t images, int64_t channels, const Axes& axes, bool in) {
  Shape shape{images, channels};
  for (const Axis& a : axes) shape.push_back(in ? a.in : a.out);
  return shape;
}

}  // namespace underone
