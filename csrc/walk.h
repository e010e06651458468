// Walks over arrays by strides: broadcasting, transposing, slicing and padding are all one loop.
#pragma once
#include <vector>

#include "tensor.h"

namespace underone {

Shape row_major(const Shape& shape);                       // strides, in elements
Shape broadcast(const Shape& a, const Shape& b);            // std::invalid_argument when they do not fit
Shape broadcast_strides(const Shape& shape, const Shape& wide);  // 0 where the shape has 1 or nothing

// Rows of several arrays with one common shape.
struct Walk {
  Shape sizes;                  // the last one is the row
  std::vector<Shape> strides;   // [array][axis], in elements

  // Calls f(offsets, n) for each row; offsets[i] belongs to array i.
  template <int N, class F>
  void rows(F f) const;
  template <int N, class F>
  void rows(Share share, F f) const;
  // One thread's part, cut along the longest axis; adds where it begins to offsets[array].
  Walk cut(Share share, int64_t* offsets) const;
};

// Leaves out axes of size 1 and joins axes that lie behind one another in every array. At least one axis is left.
Walk joined(const Shape& sizes, const std::vector<Shape>& strides);

// Copies elements of `size` bytes (1, 2, 4 or 8) from array 0 to array 1 of the walk.
void copy(const Walk& walk, size_t size, const void* from, void* to, Share share = {});

template <int N, class F>
void Walk::rows(Share share, F f) const {
  int64_t from[N] = {};
  cut(share, from).template rows<N>([&](int64_t* at, int64_t n) {
    int64_t there[N];
    for (int i = 0; i < N; i++) there[i] = at[i] + from[i];
    f(static_cast<const int64_t*>(there), n);
  });
}

template <int N, class F>
void Walk::rows(F f) const {
  int64_t at[N] = {};
  for (int64_t size : sizes)
    if (size == 0) return;
  const int outer = int(sizes.size()) - 1;
  std::vector<int64_t> index(size_t(outer), 0);
  for (;;) {
    f(at, sizes.back());
    int axis = outer - 1;
    for (; axis >= 0; axis--) {
      const size_t a = size_t(axis);
      const bool next = ++index[a] < sizes[a];
      for (int i = 0; i < N; i++) at[i] += strides[size_t(i)][a] * (next ? 1 : 1 - sizes[a]);
      if (next) break;
      index[a] = 0;
    }
    if (axis < 0) return;
  }
}

}  // namespace underone
