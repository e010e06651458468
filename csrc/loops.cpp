#include "loops.h"

// Everything here has internal linkage but the table.
namespace underone::UNDERONE_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16, kRows = 8;
#else
constexpr int kLanes = 8, kRows = 4;
#endif
constexpr int kVectors = 3, kWidth = kVectors * kLanes;  // kRows x kWidth sums stay in registers
typedef float Vector __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));

inline uint32_t bits(float x) { return __builtin_bit_cast(uint32_t, x); }
inline float from_bits(uint32_t x) { return __builtin_bit_cast(float, x); }

// e^x: 2^n times a polynomial on |r| <= ln 2 / 2, relative error 2e-7. Source of the coefficients: Cephes, expf.
inline float exponential(float x) {
  constexpr float kRound = 12582912.f;  // 1.5 * 2^23: adding it rounds to a whole number
  x = x > 89.f ? 89.f : x;
  x = x < -104.f ? -104.f : x;
  const float shifted = x * 1.44269504f + kRound, n = shifted - kRound;
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.f;
  const int32_t whole = int32_t(bits(shifted) - bits(kRound));
  const int32_t half = whole >> 1, rest = whole - half;  // in two steps: 2^128 and 2^-140 are no floats
  return p * from_bits(uint32_t(half + 127) << 23) * from_bits(uint32_t(rest + 127) << 23);
}

inline float logistic(float x) {
  const float e = exponential(-__builtin_fabsf(x));
  return (x >= 0.f ? 1.f : e) / (1.f + e);
}

inline float tangent(float x) {  // hyperbolic; a polynomial near 0. Source of the coefficients: Cephes, tanhf
  const float z = x * x;
  float p = -5.70498872745e-3f;
  p = p * z + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  const float near = p * z * x + x;
  const float a = __builtin_fabsf(x), far = 1.f - 2.f / (exponential(2.f * a) + 1.f);
  return a < 0.625f ? near : __builtin_copysignf(far, x);
}

// Error function. Source: Abramowitz and Stegun 7.1.5 below 0.5, 7.1.26 above (absolute error 1.5e-7).
inline float error(float x) {
  const float z = x * x, a = __builtin_fabsf(x);
  float s = -1.f / 1320;
  s = s * z + 1.f / 216;
  s = s * z - 1.f / 42;
  s = s * z + 1.f / 10;
  s = s * z - 1.f / 3;
  const float near = 1.12837917f * (s * z * x + x);
  const float t = 1.f / (1.f + 0.3275911f * a);
  float p = 1.061405429f;
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  const float far = __builtin_copysignf(1.f - p * t * exponential(-z), x);
  return a < 0.5f ? near : far;
}

inline float mish(float x) {  // x tanh(log(1 + e^x)), without the logarithm
  const float e = exponential(x > 20.f ? 20.f : x), n = e * (e + 2.f);
  return x * (n / (n + 2.f));
}

inline float limited(float x, float low, float high) {  // a NaN stays one; the upper bound wins where they cross
  x = x < low ? low : x;
  return x > high ? high : x;
}

template <class F>
inline void each(const float* x, float* y, int64_t n, F f) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) y[i] = f(x[i]);
}

void unary(Unary function, const float* x, float* y, int64_t n, float a, float b) {
#define CASE(name, expression) \
  case Unary::name: return each(x, y, n, [a, b](float v) -> float { (void)a, (void)b; return expression; });
  switch (function) {
    CASE(abs, __builtin_fabsf(v))
    CASE(ceil, __builtin_ceilf(v))
    CASE(floor, __builtin_floorf(v))
    CASE(round, __builtin_rintf(v))
    CASE(negate, -v)
    CASE(reciprocal, 1.f / v)
    CASE(sign, v > 0.f ? 1.f : v < 0.f ? -1.f : v)
    CASE(sqrt, __builtin_sqrtf(v))
    CASE(exp, exponential(v))
    CASE(log, __builtin_logf(v))
    CASE(sin, __builtin_sinf(v))
    CASE(cos, __builtin_cosf(v))
    CASE(erf, error(v))
    CASE(tanh, tangent(v))
    CASE(sigmoid, logistic(v))
    CASE(softplus, (v > 0.f ? v : 0.f) + __builtin_log1pf(__builtin_expf(-__builtin_fabsf(v))))
    CASE(mish, mish(v))
    CASE(relu, v < 0.f ? 0.f : v)
    CASE(clip, limited(v, a, b))
    CASE(leaky, v < 0.f ? a * v : v)
    CASE(elu, v < 0.f ? a * (exponential(v) - 1.f) : v)
    CASE(hard_sigmoid, limited(a * v + b, 0.f, 1.f))
    CASE(hard_swish, v * limited(v * (1.f / 6) + 0.5f, 0.f, 1.f))
    CASE(gelu, 0.5f * v * (1.f + error(v * 0.707106781f)))
    CASE(gelu_tanh, 0.5f * v * (1.f + tangent(0.797884561f * (v + 0.044715f * v * v * v))))
    CASE(affine, a * v + b)
    CASE(square, v * v)
  }
#undef CASE
}

template <class F>
inline void pairs(const float* a, int64_t a_step, const float* b, int64_t b_step, float* y, int64_t n, F f) {
  if (a_step == 1 && b_step == 1) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) y[i] = f(a[i], b[i]);
  } else if (a_step == 1 && b_step == 0) {
    const float fixed = n ? *b : 0.f;
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) y[i] = f(a[i], fixed);
  } else {
    for (int64_t i = 0; i < n; i++) y[i] = f(a[i * a_step], b[i * b_step]);
  }
}

void binary(Binary function, const float* a, int64_t a_step, const float* b, int64_t b_step, float* y, int64_t n) {
#define CASE(name, expression) \
  case Binary::name: return pairs(a, a_step, b, b_step, y, n, [](float u, float v) -> float { return expression; });
  switch (function) {
    CASE(add, u + v)
    CASE(subtract, u - v)
    CASE(multiply, u * v)
    CASE(divide, u / v)
    CASE(power, v == 2.f ? u * u : __builtin_powf(u, v))
    CASE(minimum, u < v || u != u ? u : v)
    CASE(maximum, u > v || u != u ? u : v)
    CASE(prelu, u < 0.f ? u * v : u)
  }
#undef CASE
}

template <class F>
inline void meet(const float* x, int64_t step, float* y, int64_t n, F f) {
  if (step == 1)
    for (int64_t i = 0; i < n; i++) y[i] = f(y[i], x[i]);
  else if (step == 2)
    for (int64_t i = 0; i < n; i++) y[i] = f(y[i], x[2 * i]);
  else
    for (int64_t i = 0; i < n; i++) y[i] = f(y[i], x[i * step]);
}

void add_scaled(float w, const float* x, int64_t step, float* y, int64_t n) {
  meet(x, step, y, n, [w](float u, float v) { return u + w * v; });
}

void keep_larger(const float* x, int64_t step, float* y, int64_t n) {
  meet(x, step, y, n, [](float u, float v) { return u > v || u != u ? u : v; });
}

constexpr int64_t kPart = 512;  // sums of so many are float32, sums of these are float64

double sum(const float* x, int64_t n) {
  double total = 0;
  for (int64_t first = 0; first < n; first += kPart) {
    const int64_t last = n < first + kPart ? n : first + kPart;
    float part = 0;
#pragma omp simd reduction(+ : part)
    for (int64_t i = first; i < last; i++) part += x[i];
    total += part;
  }
  return total;
}

double sum_of_squares(const float* x, double mean, int64_t n) {
  const float middle = float(mean);  // close to the mean: what is left of it is taken off again
  double total = 0, rest = 0;
  for (int64_t first = 0; first < n; first += kPart) {
    const int64_t last = n < first + kPart ? n : first + kPart;
    float part = 0, left = 0;
#pragma omp simd reduction(+ : part, left)
    for (int64_t i = first; i < last; i++) {
      const float d = x[i] - middle;
      part += d * d, left += d;
    }
    total += part, rest += left;
  }
  const double shift = mean - middle;
  return total - 2 * shift * rest + shift * shift * double(n);
}

void standardise(const float* x, float* y, int64_t n, float epsilon) {
  const double mean = sum(x, n) / double(n), variance = sum_of_squares(x, mean, n) / double(n);
  const float scale = float(1 / __builtin_sqrt(variance + epsilon)), middle = float(mean), shift = float((middle - mean) * scale);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) y[i] = (x[i] - middle) * scale + shift;
}

template <bool logarithm>
void softmax_row(const float* x, float* y, int64_t n) {
  float largest = -__builtin_inff(), total = 0;
#pragma omp simd reduction(max : largest)
  for (int64_t i = 0; i < n; i++) largest = x[i] > largest ? x[i] : largest;
#pragma omp simd reduction(+ : total)
  for (int64_t i = 0; i < n; i++) {
    const float shifted = x[i] - largest, e = exponential(shifted);
    total += e;
    y[i] = logarithm ? shifted : e;
  }
  const float factor = logarithm ? 1.f : 1.f / total, shift = logarithm ? -__builtin_logf(total) : 0.f;
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) y[i] = y[i] * factor + shift;
}

void softmax(const float* x, float* y, int64_t n, bool logarithm) {
  logarithm ? softmax_row<true>(x, y, n) : softmax_row<false>(x, y, n);
}

template <int R>
void tile(int64_t n, int64_t k, const float* a, int64_t a_row, int64_t a_column, const float* b, int64_t b_row,
          const float* start, float* c, int64_t c_row) {
  Vector sums[R][kVectors];
#pragma GCC unroll 8
  for (int r = 0; r < R; r++)
#pragma GCC unroll 3
    for (int v = 0; v < kVectors; v++) sums[r][v] = Vector{} + (start ? start[r] : 0.f);
  for (int64_t i = 0; i < k; i++) {
    Vector row[kVectors];
#pragma GCC unroll 3
    for (int v = 0; v < kVectors; v++) row[v] = reinterpret_cast<const Vector*>(b + i * b_row)[v];
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 3
      for (int v = 0; v < kVectors; v++) sums[r][v] += a[r * a_row + i * a_column] * row[v];
  }
  for (int r = 0; r < R; r++) {
    if (n >= kWidth) {
      for (int v = 0; v < kVectors; v++) reinterpret_cast<Vector*>(c + r * c_row)[v] = sums[r][v];
    } else {
      for (int64_t i = 0; i < n; i++) c[r * c_row + i] = reinterpret_cast<const float*>(sums[r])[i];
    }
  }
}

void product(int64_t m, int64_t n, int64_t k, const float* a, int64_t a_row, int64_t a_column, const float* b,
             int64_t b_row, const float* start, float* c, int64_t c_row) {
  constexpr decltype(&tile<1>) tiles[] = {nullptr, tile<1>, tile<2>, tile<3>, tile<4>,
#if defined(__AVX512F__)
                                          tile<5>, tile<6>, tile<7>, tile<8>,
#endif
  };
  for (int64_t column = 0; column < n; column += kWidth)
    for (int64_t row = 0; row < m; row += kRows) {
      const int64_t rows = m - row < kRows ? m - row : kRows;
      tiles[rows](n - column, k, a + row * a_row, a_row, a_column, b + column, b_row, start ? start + row : nullptr,
                  c + row * c_row + column, c_row);
    }
}

}  // namespace

const Loops loops = {unary, binary, add_scaled, keep_larger, sum, sum_of_squares, standardise, softmax, product, kWidth};

}  // namespace underone::UNDERONE_ISA
