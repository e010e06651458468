// Functions of one element.
#include <cmath>
#include <functional>
#include <limits>
#include <type_traits>

#include "operators.h"

namespace underone {

namespace {

struct Function {
  Unary function;
  float a = 0, b = 0;
};

template <class F>
Operator over(const Making& m, F each) {  // each(x, y, n) on the memory of a tensor
  const int64_t n = elements(m.shape(0)), size = int64_t(size_of(m.type(0)));
  return shares([=](Span<const Tensor> in, Span<const Tensor> out, Share share) {
    const int64_t first = share.first(n);
    each(data<char>(in[0]) + first * size, data<char>(out[0]) + first * size, share.last(n) - first);
  });
}

template <class T, class F>
Operator each(const Making& m, F f) {
  return over(m, [f](const void* from, void* to, int64_t n) {
    const T* x = static_cast<const T*>(from);
    T* y = static_cast<T*>(to);
    for (int64_t i = 0; i < n; i++) y[i] = f(x[i]);
  });
}

// The functions in double precision.
double exact(const Function& how, double x) {
  const double a = how.a, b = how.b;
  auto limited = [](double v, double low, double high) { return v < low ? low : v > high ? high : v; };
  auto softplus = [](double v) { return std::max(v, 0.0) + std::log1p(std::exp(-std::fabs(v))); };
  switch (how.function) {
    case Unary::abs: return std::fabs(x);
    case Unary::ceil: return std::ceil(x);
    case Unary::floor: return std::floor(x);
    case Unary::round: return std::nearbyint(x);
    case Unary::negate: return -x;
    case Unary::reciprocal: return 1 / x;
    case Unary::sign: return x > 0 ? 1 : x < 0 ? -1 : x;
    case Unary::sqrt: return std::sqrt(x);
    case Unary::exp: return std::exp(x);
    case Unary::log: return std::log(x);
    case Unary::sin: return std::sin(x);
    case Unary::cos: return std::cos(x);
    case Unary::erf: return std::erf(x);
    case Unary::tanh: return std::tanh(x);
    case Unary::sigmoid: return 1 / (1 + std::exp(-x));
    case Unary::softplus: return softplus(x);
    case Unary::mish: return x * std::tanh(softplus(x));
    case Unary::relu: return x < 0 ? 0 : x;
    case Unary::clip: return std::isnan(x) ? x : std::min(std::max(x, a), b);
    case Unary::leaky: return x < 0 ? a * x : x;
    case Unary::elu: return x < 0 ? a * std::expm1(x) : x;
    case Unary::hard_sigmoid: return limited(a * x + b, 0, 1);
    case Unary::hard_swish: return x * limited(x / 6 + 0.5, 0, 1);
    case Unary::gelu: return 0.5 * x * (1 + std::erf(x * std::sqrt(0.5)));
    case Unary::gelu_tanh: return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Unary::affine: return a * x + b;
    case Unary::square: return x * x;
  }
  return x;
}

template <class T>
T bound(double limit) {
  if (!(limit > double(std::numeric_limits<T>::min()))) return std::numeric_limits<T>::min();
  return limit < double(std::numeric_limits<T>::max()) ? T(limit) : std::numeric_limits<T>::max();
}

// The few functions that integers have.
template <class T>
Operator whole(const Making& m, Unary function) {
  using Wrapped = std::make_unsigned_t<T>;  // the most negative number has no opposite
  switch (function) {
    case Unary::abs: return each<T>(m, [](T x) { return x < 0 ? T(-Wrapped(x)) : x; });
    case Unary::negate: return each<T>(m, [](T x) { return T(-Wrapped(x)); });
    case Unary::sign: return each<T>(m, [](T x) { return T((x > 0) - (x < 0)); });
    case Unary::relu: return each<T>(m, [](T x) { return x < 0 ? T(0) : x; });
    case Unary::ceil:
    case Unary::floor:
    case Unary::round: return each<T>(m, [](T x) { return x; });
    case Unary::clip: {
      const T low = bound<T>(m.number("min")), high = bound<T>(m.number("max"));
      return each<T>(m, [=](T x) { return std::min(std::max(x, low), high); });
    }
    default: m.unsupported(text(m.type(0)));
  }
}

Operator make(const Making& m, Function how) {
  m.operands(1, 1);
  m.gives(0, m.type(0), m.shape(0));
  if (m.type(0) == Type::float32) {
    const Loops& loops = m.loops;
    return over(m, [how, &loops](const void* x, void* y, int64_t n) {
      loops.unary(how.function, static_cast<const float*>(x), static_cast<float*>(y), n, how.a, how.b);
    });
  }
  if (m.type(0) == Type::float64) return each<double>(m, [how](double x) { return exact(how, x); });
  if (!is_integer(m.type(0))) m.unsupported(text(m.type(0)));
  Operator made;
  with_type(m.type(0), [&](auto t) {
    if constexpr (std::is_integral_v<decltype(t)>) made = whole<decltype(t)>(m, how.function);
  });
  return made;
}

template <Unary function>
Operator simple(const Making& m) {
  return make(m, {function});
}

Operator clip(const Making& m) { return make(m, {Unary::clip, float(m.number("min")), float(m.number("max"))}); }
Operator leaky(const Making& m) { return make(m, {Unary::leaky, float(m.number("alpha"))}); }
Operator elu(const Making& m) { return make(m, {Unary::elu, float(m.number("alpha"))}); }
Operator hard_sigmoid(const Making& m) {
  return make(m, {Unary::hard_sigmoid, float(m.number("alpha")), float(m.number("beta"))});
}

Operator gelu(const Making& m) {
  const std::string& how = m.word("approximate");
  m.require(how == "none" || how == "tanh", "approximate '" + how + "'; none or tanh is required");
  return make(m, {how == "tanh" ? Unary::gelu_tanh : Unary::gelu});
}

Operator logical_not(const Making& m) {
  m.operands(1, 1);
  m.types({Type::boolean});
  m.gives(0, Type::boolean, m.shape(0));
  return each<Bool>(m, [](Bool x) { return Bool(!x); });
}

}  // namespace

Makers elementwise_makers() {
  return {
      {"Abs", simple<Unary::abs>},         {"Ceil", simple<Unary::ceil>},
      {"Cos", simple<Unary::cos>},         {"Erf", simple<Unary::erf>},
      {"Exp", simple<Unary::exp>},         {"Floor", simple<Unary::floor>},
      {"HardSwish", simple<Unary::hard_swish>}, {"Log", simple<Unary::log>},
      {"Mish", simple<Unary::mish>},       {"Neg", simple<Unary::negate>},
      {"Reciprocal", simple<Unary::reciprocal>}, {"Relu", simple<Unary::relu>},
      {"Round", simple<Unary::round>},     {"Sigmoid", simple<Unary::sigmoid>},
      {"Sign", simple<Unary::sign>},       {"Sin", simple<Unary::sin>},
      {"Softplus", simple<Unary::softplus>}, {"Sqrt", simple<Unary::sqrt>},
      {"Tanh", simple<Unary::tanh>},       {"Clip", clip},
      {"LeakyRelu", leaky},                {"Elu", elu},
      {"HardSigmoid", hard_sigmoid},       {"Gelu", gelu},
      {"Not", logical_not},
  };
}

}  // namespace underone
