// Matrix products.
#include <algorithm>
#include <type_traits>

#include "matrix.h"
#include "operators.h"
#include "walk.h"

namespace underone {

void multiply(const Loops& loops, int64_t m, int64_t n, int64_t k, const float* a, int64_t a_row, int64_t a_column,
              const float* b, int64_t b_row, int64_t b_column, float* c) {
  const int64_t width = panel_width(loops, k, n);
  const auto panel = scratch<float>(k * width);
  std::fill_n(panel.get(), k * width, 0.f);
  for (int64_t column = 0; column < n; column += width) {
    const int64_t count = std::min(width, n - column);
    const float* from = b + column * b_column;
    if (b_column == 1)
      for (int64_t i = 0; i < k; i++) std::copy_n(from + i * b_row, count, panel.get() + i * width);
    else
      for (int64_t j = 0; j < count; j++)
        for (int64_t i = 0; i < k; i++) panel[size_t(i * width + j)] = from[j * b_column + i * b_row];
    loops.product(m, count, k, a, a_row, a_column, panel.get(), width, nullptr, c + column, n);
  }
}

int64_t panel_width(const Loops& loops, int64_t k, int64_t n) {
  constexpr int64_t kFloats = 48 << 10;  // a panel stays in the second cache
  const int64_t fits = std::max<int64_t>(kFloats / std::max<int64_t>(k, 1) / loops.width, 1);
  return std::min(std::min<int64_t>(fits, 8), (n + loops.width - 1) / loops.width) * loops.width;
}

namespace {

template <class T>
void multiply_simply(int64_t m, int64_t n, int64_t k, const T* a, const T* b, T* c) {
  using Wide = std::conditional_t<std::is_floating_point_v<T>, double, uint64_t>;  // integers wrap around
  for (int64_t i = 0; i < m; i++)
    for (int64_t j = 0; j < n; j++) {
      Wide sum = 0;
      for (int64_t l = 0; l < k; l++) sum += Wide(a[i * k + l]) * Wide(b[l * n + j]);
      c[i * n + j] = T(sum);
    }
}

// Stacks of matrices with broadcasting; vectors count as matrices with one row or column.
struct Stack {
  int64_t m, n, k;
  Shape outer, shape;
  Shape a, b;  // strides of the outer axes, in matrices
};

Stack stack_of(const Making& making) {
  Shape a = making.shape(0), b = making.shape(1);
  making.require(!a.empty() && !b.empty(), "at least vectors are required");
  const bool row = a.size() == 1, column = b.size() == 1;
  if (row) a.insert(a.begin(), 1);
  if (column) b.push_back(1);
  Stack s;
  s.m = a[a.size() - 2], s.k = a.back(), s.n = b.back();
  making.require(s.k == b[b.size() - 2], "operands " + text(making.shape(0)) + " and " + text(making.shape(1)) + " do not fit");
  const Shape a_outer(a.begin(), a.end() - 2), b_outer(b.begin(), b.end() - 2);
  s.outer = broadcast(a_outer, b_outer);
  s.a = broadcast_strides(a_outer, s.outer), s.b = broadcast_strides(b_outer, s.outer);
  s.shape = s.outer;
  if (!row) s.shape.push_back(s.m);
  if (!column) s.shape.push_back(s.n);
  return s;
}

Operator matmul(const Making& making) {
  making.operands(2, 2);
  making.same_types();
  const Stack s = stack_of(making);
  making.gives(0, making.type(0), s.shape);
  const Walk walk = joined(s.outer, {s.a, s.b, row_major(s.outer)});
  const Loops& loops = making.loops;
  Operator made;
  with_type(making.type(0), [&](auto t) {
    using T = decltype(t);
    if constexpr (std::is_arithmetic_v<T>)
      made = runs([=, &loops](Span<const Tensor> in, Span<const Tensor> out) {
        if (elements(out[0].shape) == 0) return;
        walk.rows<3>([&](const int64_t* at, int64_t count) {
          for (int64_t i = 0; i < count; i++) {
            const T* a = data<T>(in[0]) + (at[0] + i * walk.strides[0].back()) * s.m * s.k;
            const T* b = data<T>(in[1]) + (at[1] + i * walk.strides[1].back()) * s.k * s.n;
            T* c = data<T>(out[0]) + (at[2] + i * walk.strides[2].back()) * s.m * s.n;
            if constexpr (std::is_same_v<T, float>) multiply(loops, s.m, s.n, s.k, a, s.k, 1, b, s.n, 1, c);
            else (void)loops, multiply_simply(s.m, s.n, s.k, a, b, c);
          }
        });
      });
  });
  if (!made) making.unsupported(text(making.type(0)));
  return made;
}

Operator gemm(const Making& making) {
  making.operands(2, 3);
  making.types({Type::float32});
  making.same_types();
  making.require(making.rank(0) == 2 && making.rank(1) == 2, "two matrices are required");
  const bool turn_a = making.integer("transA") != 0, turn_b = making.integer("transB") != 0;
  const Shape &a = making.shape(0), &b = making.shape(1);
  const int64_t m = a[turn_a], k = a[!turn_a], n = b[!turn_b];
  making.require(k == b[turn_b], "operands " + text(a) + " and " + text(b) + " do not fit");
  making.gives(0, Type::float32, {m, n});
  const float alpha = float(making.number("alpha")), beta = float(making.number("beta"));
  const bool added = making.given(2);
  Walk walk;
  if (added) {
    making.require(broadcast({m, n}, making.shape(2)) == Shape({m, n}), "c " + text(making.shape(2)) + " does not broadcast");
    walk = joined({m, n}, {broadcast_strides(making.shape(2), {m, n}), row_major({m, n})});
  }
  const int64_t a_row = turn_a ? 1 : k, a_column = turn_a ? m : 1, b_row = turn_b ? 1 : n, b_column = turn_b ? k : 1;
  const Loops& loops = making.loops;
  return runs([=, &loops](Span<const Tensor> in, Span<const Tensor> out) {
    if (m * n == 0) return;
    float* y = data<float>(out[0]);
    multiply(loops, m, n, k, data<float>(in[0]), a_row, a_column, data<float>(in[1]), b_row, b_column, y);
    if (alpha != 1) loops.unary(Unary::affine, y, y, m * n, alpha, 0);
    if (!added) return;
    walk.rows<2>([&](const int64_t* at, int64_t count) {
      const float* c = data<float>(in[2]) + at[0];
      const int64_t step = walk.strides[0].back();
      for (int64_t i = 0; i < count; i++) y[at[1] + i * walk.strides[1].back()] += beta * c[i * step];
    });
  });
}

}  // namespace

Makers product_makers() { return {{"MatMul", matmul}, {"Gemm", gemm}}; }

}  // namespace underone
