// Inner loops over float32 that gain from wide registers, as one table per instruction set.
//
// loops.cpp is compiled once per set and uses nothing of the standard library: an inline function that two sets share
// would be kept once by the linker, and might be the one that this processor cannot run.
#pragma once
#include <cstdint>

namespace underone {

enum class Unary {
  abs, ceil, floor, round, negate, reciprocal, sign, sqrt, exp, log, sin, cos, erf, tanh, sigmoid, softplus, mish,
  relu, clip, leaky, elu, hard_sigmoid, hard_swish, gelu, gelu_tanh, affine, square,
};
enum class Binary { add, subtract, multiply, divide, power, minimum, maximum, prelu };

struct Loops {
  // y = f(x); a and b: the bounds of clip, alpha and beta of the others, a x + b of affine.
  void (*unary)(Unary f, const float* x, float* y, int64_t n, float a, float b);
  // y[i] = f(a[i * a_step], b[i * b_step])
  void (*binary)(Binary f, const float* a, int64_t a_step, const float* b, int64_t b_step, float* y, int64_t n);
  // y[i] += w x[i * step]
  void (*add_scaled)(float w, const float* x, int64_t step, float* y, int64_t n);
  // y[i] = max(y[i], x[i * step]); a NaN stays one
  void (*keep_larger)(const float* x, int64_t step, float* y, int64_t n);
  double (*sum)(const float* x, int64_t n);
  double (*sum_of_squares)(const float* x, double mean, int64_t n);  // of x - mean
  // y = (x - mean) / sqrt(variance + epsilon) of a row
  void (*standardise)(const float* x, float* y, int64_t n, float epsilon);
  void (*softmax)(const float* x, float* y, int64_t n, bool logarithm);
  // c (m, n) = a (m, k) b (k, n) + start; a by strides; rows of b are readable up to a multiple of `width`.
  // `start` is one value per row, or null.
  void (*product)(int64_t m, int64_t n, int64_t k, const float* a, int64_t a_row, int64_t a_column, const float* b,
                  int64_t b_row, const float* start, float* c, int64_t c_row);
  int width;
};

namespace avx2 {
extern const Loops loops;
}
namespace avx512 {
extern const Loops loops;
}
namespace neon {
extern const Loops loops;
}

}  // namespace underone
