// Operators of two or more elements, with broadcasting.
#include <algorithm>
#include <cmath>
#include <type_traits>

#include "operators.h"
#include "walk.h"

namespace underone {

namespace {

Walk walk_of(const Shape& a, const Shape& b, const Shape& wide) {
  return joined(wide, {broadcast_strides(a, wide), broadcast_strides(b, wide), row_major(wide)});
}

template <class A, class B, class Y, class F>
Operator each_pair(const Walk& walk, F f) {
  const int64_t a_step = walk.strides[0].back(), b_step = walk.strides[1].back();
  return shares([=](Span<const Tensor> in, Span<const Tensor> out, Share share) {
    walk.rows<3>(share, [&](const int64_t* at, int64_t n) {
      const A* a = data<A>(in[0]) + at[0];
      const B* b = data<B>(in[1]) + at[1];
      Y* y = data<Y>(out[0]) + at[2];
      for (int64_t i = 0; i < n; i++) y[i] = f(a[i * a_step], b[i * b_step]);
    });
  });
}

Operator float_pairs(const Making& m, const Walk& walk, Binary function) {
  const int64_t a_step = walk.strides[0].back(), b_step = walk.strides[1].back();
  const Loops& loops = m.loops;
  return shares([=, &loops](Span<const Tensor> in, Span<const Tensor> out, Share share) {
    walk.rows<3>(share, [&](const int64_t* at, int64_t n) {
      loops.binary(function, data<float>(in[0]) + at[0], a_step, data<float>(in[1]) + at[1], b_step, data<float>(out[0]) + at[2], n);
    });
  });
}

// Integers wrap around; a divisor of 0 counts as 1, as in the reference.
template <class T>
T integer_result(Binary function, T a, T b) {
  const uint64_t u = uint64_t(a), v = uint64_t(b);
  switch (function) {
    case Binary::add: return T(u + v);
    case Binary::subtract: return T(u - v);
    case Binary::multiply: return T(u * v);
    case Binary::divide: return b == 0 ? a : std::is_signed_v<T> && b == T(-1) ? T(0 - u) : T(a / b);
    case Binary::minimum: return std::min(a, b);
    case Binary::maximum: return std::max(a, b);
    case Binary::prelu: return a < 0 ? T(u * v) : a;
    case Binary::power: {
      if (b < 0) return a == 1 ? T(1) : std::is_signed_v<T> && a == T(-1) ? (v & 1 ? a : T(1)) : T(0);
      uint64_t result = 1, base = u;
      for (uint64_t e = v; e; e >>= 1, base *= base)
        if (e & 1) result *= base;
      return T(result);
    }
  }
  return a;
}

double double_result(Binary function, double a, double b) {
  switch (function) {
    case Binary::add: return a + b;
    case Binary::subtract: return a - b;
    case Binary::multiply: return a * b;
    case Binary::divide: return a / b;
    case Binary::power: return std::pow(a, b);
    case Binary::minimum: return a < b || std::isnan(a) ? a : b;
    case Binary::maximum: return a > b || std::isnan(a) ? a : b;
    case Binary::prelu: return a < 0 ? a * b : a;
  }
  return a;
}

Operator pairs(const Making& m, Binary function, const Shape& a, const Shape& b, const Shape& wide) {
  const Walk walk = walk_of(a, b, wide);
  if (m.type(0) == Type::float32) return float_pairs(m, walk, function);
  if (m.type(0) == Type::float64)
    return each_pair<double, double, double>(walk, [=](double x, double y) { return double_result(function, x, y); });
  Operator made;
  with_type(m.type(0), [&](auto t) {
    using T = decltype(t);
    if constexpr (std::is_integral_v<T>)
      made = each_pair<T, T, T>(walk, [=](T x, T y) { return integer_result(function, x, y); });
    else if constexpr (std::is_same_v<T, Bool>)
      if (function == Binary::minimum || function == Binary::maximum)
        made = each_pair<T, T, T>(walk, [=](T x, T y) { return Bool(function == Binary::minimum ? x && y : x || y); });
  });
  if (!made) m.unsupported(text(m.type(0)));
  return made;
}

template <Binary function>
Operator two(const Making& m) {
  m.operands(2, 2);
  m.same_types();
  const Shape wide = broadcast(m.shape(0), m.shape(1));
  m.gives(0, m.type(0), wide);
  return pairs(m, function, m.shape(0), m.shape(1), wide);
}

Operator prelu(const Making& m) {
  m.require(m.in.size() == 2 && broadcast(m.shape(0), m.shape(1)) == m.shape(0), "the slope must broadcast to the input");
  return two<Binary::prelu>(m);
}

// One after the other: each step reads what the one before wrote.
template <Binary function>
Operator many(const Making& m) {
  m.operands(1, size_t(-1));
  for (size_t i = 0; i < m.in.size(); i++) m.require(m.given(i), "operand " + std::to_string(i) + " is left out");
  m.same_types();
  Shape wide = m.shape(0);
  for (const Tensor& t : m.in) wide = broadcast(wide, t.shape);
  m.gives(0, m.type(0), wide);
  const Walk spread = joined(wide, {broadcast_strides(m.shape(0), wide), row_major(wide)});
  const size_t size = size_of(m.type(0));
  std::vector<std::shared_ptr<Plain>> steps;
  for (size_t i = 1; i < m.in.size(); i++)
    steps.push_back(pairs(m, function, i == 1 ? m.shape(0) : wide, m.shape(i), wide));
  return runs([=](Span<const Tensor> in, Span<const Tensor> out) {
    if (steps.empty() && elements(out[0].shape)) copy(spread, size, in[0].data, out[0].data);
    for (size_t i = 0; i < steps.size(); i++) {
      const Tensor two[] = {i == 0 ? in[0] : out[0], in[i + 1]};
      steps[i]->run({two, 2}, out);
    }
  });
}

Operator power(const Making& m) {
  m.operands(2, 2);
  if (m.type(0) == m.type(1)) return two<Binary::power>(m);
  const Shape wide = broadcast(m.shape(0), m.shape(1));
  m.gives(0, m.type(0), wide);
  const Walk walk = walk_of(m.shape(0), m.shape(1), wide);
  Operator made;
  with_type(m.type(0), [&](auto x) {
    using A = decltype(x);
    with_type(m.type(1), [&](auto y) {
      using B = decltype(y);
      if constexpr (std::is_integral_v<A> && std::is_integral_v<B>)
        made = each_pair<A, B, A>(walk, [](A a, B b) { return A(integer_result<int64_t>(Binary::power, int64_t(a), int64_t(b))); });
      else if constexpr (std::is_floating_point_v<A> && std::is_arithmetic_v<B>)
        made = each_pair<A, B, A>(walk, [](A a, B b) { return A(std::pow(double(a), double(b))); });
      else if constexpr (std::is_integral_v<A> && std::is_floating_point_v<B>)
        made = each_pair<A, B, A>(walk, [](A a, B b) {
          const double value = std::pow(double(a), double(b));
          return std::isnan(value) ? A(0) : A(int64_t(std::min(std::max(value, -9.2e18), 9.2e18)));
        });
    });
  });
  if (!made) m.unsupported(text(m.type(0)) + " with " + text(m.type(1)));
  return made;
}

template <class T>
T remainder(T a, T b, bool like_first) {
  if constexpr (std::is_floating_point_v<T>) {
    T r = std::fmod(a, b);
    if (!like_first && r != 0 && (r < 0) != (b < 0)) r += b;
    return r;
  } else {
    if (b == 0 || (std::is_signed_v<T> && b == T(-1))) return 0;
    T r = T(a % b);
    if (!like_first && r != 0 && (r < 0) != (b < 0)) r = T(r + b);
    return r;
  }
}

Operator modulo(const Making& m) {
  m.operands(2, 2);
  m.same_types();
  const Shape wide = broadcast(m.shape(0), m.shape(1));
  m.gives(0, m.type(0), wide);
  const Walk walk = walk_of(m.shape(0), m.shape(1), wide);
  const bool like_first = m.integer("fmod") != 0;
  Operator made;
  with_type(m.type(0), [&](auto t) {
    using T = decltype(t);
    if constexpr (std::is_arithmetic_v<T>)
      made = each_pair<T, T, T>(walk, [=](T a, T b) { return remainder(a, b, like_first); });
  });
  if (!made) m.unsupported(text(m.type(0)));
  return made;
}

enum class Order { equal, less, less_or_equal, greater, greater_or_equal };

template <Order order>
Operator compare(const Making& m) {
  m.operands(2, 2);
  m.same_types();
  const Shape wide = broadcast(m.shape(0), m.shape(1));
  m.gives(0, Type::boolean, wide);
  const Walk walk = walk_of(m.shape(0), m.shape(1), wide);
  Operator made;
  with_type(m.type(0), [&](auto t) {
    using T = decltype(t);
    if constexpr (!std::is_same_v<T, Half>)
      made = each_pair<T, T, Bool>(walk, [](T a, T b) {
        switch (order) {
          case Order::equal: return Bool(a == b);
          case Order::less: return Bool(a < b);
          case Order::less_or_equal: return Bool(a <= b);
          case Order::greater: return Bool(a > b);
          default: return Bool(a >= b);
        }
      });
  });
  if (!made) m.unsupported(text(m.type(0)));
  return made;
}

template <bool conjunction>
Operator logical(const Making& m) {
  m.operands(2, 2);
  m.types({Type::boolean});
  m.same_types();
  const Shape wide = broadcast(m.shape(0), m.shape(1));
  m.gives(0, Type::boolean, wide);
  return each_pair<Bool, Bool, Bool>(walk_of(m.shape(0), m.shape(1), wide),
                                     [](Bool a, Bool b) { return Bool(conjunction ? a && b : a || b); });
}

}  // namespace

Makers arithmetic_makers() {
  return {
      {"Add", two<Binary::add>},       {"Sub", two<Binary::subtract>},
      {"Mul", two<Binary::multiply>},  {"Div", two<Binary::divide>},
      {"Pow", power},                  {"PRelu", prelu},
      {"Min", many<Binary::minimum>},  {"Max", many<Binary::maximum>},
      {"Sum", many<Binary::add>},      {"Mod", modulo},
      {"Equal", compare<Order::equal>}, {"Less", compare<Order::less>},
      {"LessOrEqual", compare<Order::less_or_equal>}, {"Greater", compare<Order::greater>},
      {"GreaterOrEqual", compare<Order::greater_or_equal>},
      {"And", logical<true>},          {"Or", logical<false>},
  };
}

}  // namespace underone
