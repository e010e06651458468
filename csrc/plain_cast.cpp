// Casts between all types, and the arithmetic of float16.
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "operators.h"

namespace underone {

// Round to nearest even, by way of the bits. Source: IEEE 754, binary16 and binary64.
Half::Half(double x) {
  const uint16_t sign = std::signbit(x) ? 0x8000 : 0;
  const double a = std::fabs(x);
  if (std::isnan(x)) value = sign | 0x7e00;
  else if (a >= 65520) value = sign | 0x7c00;  // halfway between the largest number and the next one
  else if (a < 6.103515625e-05) value = sign | uint16_t(std::nearbyint(a * 16777216));  // below 2^-14: multiples of 2^-24
  else {
    int exponent;
    const double mantissa = std::frexp(a, &exponent);  // [0.5, 1)
    const int whole = int(std::nearbyint(mantissa * 2048));  // [1024, 2048]; 2048 carries into the exponent
    value = uint16_t(sign | (((exponent + 14) << 10) + whole - 1024));
  }
}

Half::operator float() const {
  const int exponent = value >> 10 & 31, mantissa = value & 1023;
  const float sign = value & 0x8000 ? -1.f : 1.f;
  if (exponent == 31) return mantissa ? std::numeric_limits<float>::quiet_NaN() : sign * std::numeric_limits<float>::infinity();
  return sign * std::ldexp(float(exponent ? mantissa + 1024 : mantissa), (exponent ? exponent : 1) - 25);
}

namespace {

// Towards zero and, between integers, the low bits; what does not fit gives the nearest bound, a NaN 0.
template <class To, class From>
To converted(From x) {
  if constexpr (std::is_same_v<To, Bool>) return Bool(x != 0);
  else if constexpr (std::is_same_v<To, Half>) return Half(double(x));
  else if constexpr (std::is_integral_v<To> && std::is_floating_point_v<From>) {
    constexpr double low = double(std::numeric_limits<To>::min()), high = double(std::numeric_limits<To>::max());
    if (std::isnan(x)) return 0;
    if (double(x) <= low) return std::numeric_limits<To>::min();
    if (double(x) >= high) return std::numeric_limits<To>::max();
    return To(x);
  } else return To(x);
}

template <class From>
using Plainer = std::conditional_t<std::is_same_v<From, Half>, float, std::conditional_t<std::is_same_v<From, Bool>, uint8_t, From>>;

Operator cast(const Making& m) {
  m.operands(1, 1);
  m.gives(0, m.out[0].type, m.shape(0));
  const int64_t n = elements(m.shape(0));
  Operator made;
  with_type(m.type(0), [&](auto from) {
    with_type(m.out[0].type, [&](auto to) {
      using From = decltype(from);
      using To = decltype(to);
      made = runs([n](Span<const Tensor> in, Span<const Tensor> out) {
        const From* x = data<From>(in[0]);
        To* y = data<To>(out[0]);
        for (int64_t i = 0; i < n; i++) {
          if constexpr (std::is_same_v<From, Bool>) y[i] = converted<To>(uint8_t(bool(x[i])));
          else y[i] = converted<To>(Plainer<From>(x[i]));
        }
      });
    });
  });
  m.require(made != nullptr, "a tensor has no type");
  return made;
}

}  // namespace

Makers cast_makers() { return {{"Cast", cast}}; }

}  // namespace underone
