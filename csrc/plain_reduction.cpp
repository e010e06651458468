// Reductions: the reduced axes are brought to the end, then every row becomes one element.
#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "operators.h"
#include "walk.h"

namespace underone {

namespace {

enum class Reduction { mean, sum, product, largest, smallest, norm, sum_of_squares };

// How to see a tensor as rows over some of its axes.
struct Rows {
  int64_t count = 1, length = 1;
  bool behind = true;  // the rows lie in memory one after the other
  Walk walk;           // brings them there
  Shape shape;         // of the result
};

Rows rows_over(const Making& m, const std::vector<int>& axes, bool keep) {
  const Shape& x = m.shape(0);
  const Shape strides = row_major(x);
  Rows r;
  Shape outer, inner, from, from_inner;
  bool began = false;
  for (size_t i = 0; i < x.size(); i++) {
    const bool reduced = std::find(axes.begin(), axes.end(), int(i)) != axes.end();
    (reduced ? inner : outer).push_back(x[i]);
    (reduced ? from_inner : from).push_back(strides[i]);
    r.behind &= reduced || !began || x[i] == 1;
    began |= reduced;
    if (!reduced) r.shape.push_back(x[i]);
    else if (keep) r.shape.push_back(1);
  }
  r.count = elements(outer), r.length = elements(inner);
  outer.insert(outer.end(), inner.begin(), inner.end());
  from.insert(from.end(), from_inner.begin(), from_inner.end());
  r.walk = joined(outer, {from, row_major(outer)});
  return r;
}

template <class T, class Y, class F>
Operator each_row(const Rows& rows, F f) {  // Y f(const T* row, length)
  if (rows.behind)
    return shares([=](Span<const Tensor> in, Span<const Tensor> out, Share share) {
      for (int64_t i = share.first(rows.count); i < share.last(rows.count); i++)
        data<Y>(out[0])[i] = f(data<T>(in[0]) + i * rows.length, rows.length);
    });
  return runs([=](Span<const Tensor> in, Span<const Tensor> out) {
    const T* x = data<T>(in[0]);
    std::unique_ptr<T[]> sorted;
    if (rows.count && rows.length) {
      sorted = scratch<T>(rows.count * rows.length);
      copy(rows.walk, sizeof(T), x, sorted.get());
      x = sorted.get();
    }
    Y* y = data<Y>(out[0]);
    for (int64_t i = 0; i < rows.count; i++) y[i] = f(x + i * rows.length, rows.length);
  });
}

template <class T>
T extreme(const T* x, int64_t n, bool largest) {  // a NaN wins
  using Limits = std::numeric_limits<T>;
  T best = largest ? (std::is_floating_point_v<T> ? -Limits::infinity() : Limits::lowest())
                   : (std::is_floating_point_v<T> ? Limits::infinity() : Limits::max());
  for (int64_t i = 0; i < n; i++) best = (largest ? x[i] > best : x[i] < best) || x[i] != x[i] ? x[i] : best;
  return best;
}

double reduced(Reduction how, const float* x, int64_t n, const Loops& loops) {
  switch (how) {
    case Reduction::mean: return loops.sum(x, n) / double(n);
    case Reduction::sum: return loops.sum(x, n);
    case Reduction::norm: return std::sqrt(loops.sum_of_squares(x, 0, n));
    default: return loops.sum_of_squares(x, 0, n);
  }
}

double reduced(Reduction how, const double* x, int64_t n, const Loops&) {
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < n; i++) sum += x[i], squares += x[i] * x[i];
  switch (how) {
    case Reduction::mean: return sum / double(n);
    case Reduction::sum: return sum;
    case Reduction::norm: return std::sqrt(squares);
    default: return squares;
  }
}

template <class T>
T integers_reduced(Reduction how, const T* x, int64_t n) {  // sums wrap around
  uint64_t sum = 0, squares = 0;
  for (int64_t i = 0; i < n; i++) sum += uint64_t(x[i]), squares += uint64_t(T(uint64_t(x[i]) * uint64_t(x[i])));
  switch (how) {
    case Reduction::mean: return n ? T(double(int64_t(sum)) / double(n)) : T(0);
    case Reduction::sum: return T(sum);
    case Reduction::norm: return T(int64_t(std::sqrt(std::fabs(double(int64_t(squares))))));
    default: return T(squares);
  }
}

template <class T>
T product_of(const T* x, int64_t n) {
  using Wide = std::conditional_t<std::is_floating_point_v<T>, double, uint64_t>;
  Wide product = 1;
  for (int64_t i = 0; i < n; i++) product *= Wide(x[i]);
  return T(product);
}

template <class T>
Operator reduction_of(const Making& m, Reduction how, const Rows& rows) {
  if constexpr (std::is_same_v<T, Bool>) {
    if (how != Reduction::largest && how != Reduction::smallest) m.unsupported("bool");
    const bool any = how == Reduction::largest;
    return each_row<Bool, Bool>(rows, [any](const Bool* x, int64_t n) {
      return Bool(any ? std::any_of(x, x + n, [](Bool b) { return bool(b); }) : std::all_of(x, x + n, [](Bool b) { return bool(b); }));
    });
  } else if constexpr (std::is_arithmetic_v<T>) {
    if (how == Reduction::largest || how == Reduction::smallest)
      return each_row<T, T>(rows, [how](const T* x, int64_t n) { return extreme(x, n, how == Reduction::largest); });
    if (how == Reduction::product) return each_row<T, T>(rows, product_of<T>);
    const Loops& loops = m.loops;
    return each_row<T, T>(rows, [how, &loops](const T* x, int64_t n) {
      if constexpr (std::is_floating_point_v<T>) return T(reduced(how, x, n, loops));
      else return (void)loops, integers_reduced(how, x, n);
    });
  }
  m.unsupported(text(m.type(0)));
}

Operator make(const Making& m, Reduction how, const Rows& rows) {
  m.gives(0, m.type(0), rows.shape);
  Operator made;
  with_type(m.type(0), [&](auto t) { made = reduction_of<decltype(t)>(m, how, rows); });
  return made;
}

template <Reduction how>
Operator reduce(const Making& m) {
  m.operands(1, 1);
  std::vector<int> axes = m.axes("axes", m.rank());
  if (axes.empty())
    for (int i = 0; i < m.rank(); i++) axes.push_back(i);
  return make(m, how, rows_over(m, axes, m.integer("keepdims") != 0));
}

template <Reduction how>
Operator global_pool(const Making& m) {
  m.operands(1, 1);
  m.require(m.rank() >= 3 && elements(m.shape(0)) > 0, "input " + text(m.shape(0)) + "; (N, C, …) is required");
  std::vector<int> axes;
  for (int i = 2; i < m.rank(); i++) axes.push_back(i);
  return make(m, how, rows_over(m, axes, true));
}

// Places of the extremes along the middle of three axes, for `count` of the last (inner) at once; of equals the first or
// the last; a NaN wins.
template <bool largest, class T>
void places_of_extremes(const T* x, int64_t n, int64_t inner, int64_t count, bool last, T* best, int64_t* places) {
  const int64_t begin = last ? n - 1 : 0;
  std::copy_n(x + begin * inner, count, best);
  std::fill_n(places, count, begin);
  for (int64_t k = 1; k < n; k++) {
    const int64_t row = last ? n - 1 - k : k;
    const T* v = x + row * inner;
    for (int64_t i = 0; i < count; i++) {
      const bool better = (largest ? v[i] > best[i] : v[i] < best[i]) | ((v[i] != v[i]) & (best[i] == best[i]));
      best[i] = better ? v[i] : best[i];
      places[i] = better ? row : places[i];
    }
  }
}

template <bool largest>
Operator arg_reduce(const Making& m) {
  m.operands(1, 1);
  const int axis = m.axis("axis", m.rank());
  m.require(m.shape(0)[size_t(axis)] > 0, "input " + text(m.shape(0)) + " is empty along axis " + std::to_string(axis));
  m.gives(0, Type::int64, rows_over(m, {axis}, m.integer("keepdims") != 0).shape);
  const Shape& x = m.shape(0);
  const int64_t outer = elements(Shape(x.begin(), x.begin() + axis)), n = x[size_t(axis)];
  const int64_t inner = elements(Shape(x.begin() + axis + 1, x.end()));
  const bool last = m.integer("select_last_index") != 0;
  Operator made;
  with_type(m.type(0), [&](auto t) {
    using T = decltype(t);
    if constexpr (std::is_arithmetic_v<T>)
      made = shares([=](Span<const Tensor> in, Span<const Tensor> out, Share share) {
        constexpr int64_t kAtOnce = 2048;  // what is best so far, and where, stay in the first cache
        T best[kAtOnce];
        for (int64_t i = 0; i < outer; i++)
          for (int64_t at = share.first(inner); at < share.last(inner); at += kAtOnce)
            places_of_extremes<largest>(data<T>(in[0]) + i * n * inner + at, n, inner, std::min(kAtOnce, share.last(inner) - at), last, best,
                                        data<int64_t>(out[0]) + i * inner + at);
      });
  });
  if (!made) m.unsupported(text(m.type(0)));
  return made;
}

}  // namespace

Makers reduction_makers() {
  return {
      {"ReduceMean", reduce<Reduction::mean>}, {"ReduceSum", reduce<Reduction::sum>},
      {"ReduceProd", reduce<Reduction::product>}, {"ReduceMax", reduce<Reduction::largest>},
      {"ReduceMin", reduce<Reduction::smallest>}, {"ReduceL2", reduce<Reduction::norm>},
      {"ReduceSumSquare", reduce<Reduction::sum_of_squares>},
      {"GlobalAveragePool", global_pool<Reduction::mean>}, {"GlobalMaxPool", global_pool<Reduction::largest>},
      {"ArgMax", arg_reduce<true>}, {"ArgMin", arg_reduce<false>},
  };
}

}  // namespace underone
