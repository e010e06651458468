// Products of plain float32 matrices.
#pragma once
#include "loops.h"

namespace underone {

// c (m, n) = a (m, k) b (k, n); a and b by strides, c row-major. m and n are not 0.
void multiply(const Loops& loops, int64_t m, int64_t n, int64_t k, const float* a, int64_t a_row, int64_t a_column,
              const float* b, int64_t b_row, int64_t b_column, float* c);

// Columns of b that one panel of k rows takes: a multiple of the width of the loops.
int64_t panel_width(const Loops& loops, int64_t k, int64_t n);

}  // namespace underone
