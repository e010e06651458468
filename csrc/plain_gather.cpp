// Operators that pick elements or make them from nothing.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "operators.h"
#include "walk.h"

namespace underone {

namespace {

template <class Index>
int64_t place(Index index, int64_t size) {
  const int64_t i = index < 0 ? int64_t(index) + size : int64_t(index);
  if (i < 0 || i >= size)
    throw std::invalid_argument("Gather: index " + std::to_string(index) + " of an axis with " + std::to_string(size) + " entries");
  return i;
}

Operator gather(const Making& m) {
  m.operands(2, 2);
  if (m.type(1) != Type::int64 && m.type(1) != Type::int32) m.unsupported("indices of " + text(m.type(1)));
  const auto axis = m.axis("axis", m.rank());
  const Shape& x = m.shape(0);
  Shape shape(x.begin(), x.begin() + axis);
  shape.insert(shape.end(), m.shape(1).begin(), m.shape(1).end());
  shape.insert(shape.end(), x.begin() + axis + 1, x.end());
  m.gives(0, m.type(0), shape);
  const int64_t outer = elements(Shape(x.begin(), x.begin() + axis)), size = x[size_t(axis)], count = elements(m.shape(1));
  const int64_t entry = elements(Shape(x.begin() + axis + 1, x.end())) * int64_t(size_of(m.type(0)));
  const bool wide = m.type(1) == Type::int64;
  const Tensor& index = m.in[1];
  for (int64_t i = 0; index.data && i < count; i++)  // constant indices are wrong at load already
    wide ? place(data<int64_t>(index)[i], size) : place(data<int32_t>(index)[i], size);
  return runs([=](Span<const Tensor> in, Span<const Tensor> out) {
    std::vector<int64_t> places(size_t(count), 0);
    for (int64_t i = 0; i < count; i++)
      places[size_t(i)] = wide ? place(data<int64_t>(in[1])[i], size) : place(data<int32_t>(in[1])[i], size);
    if (entry == 0) return;
    char* to = data<char>(out[0]);
    for (int64_t o = 0; o < outer; o++)
      for (int64_t i = 0; i < count; i++, to += entry)
        std::memcpy(to, data<char>(in[0]) + (o * size + places[size_t(i)]) * entry, size_t(entry));
  });
}

template <class T>
void choose(const Walk& walk, Span<const Tensor> in, Span<const Tensor> out) {
  walk.rows<4>([&](const int64_t* at, int64_t n) {
    const Bool* which = data<Bool>(in[0]) + at[0];
    const T *a = data<T>(in[1]) + at[1], *b = data<T>(in[2]) + at[2];
    T* y = data<T>(out[0]) + at[3];
    const int64_t s = walk.strides[0].back(), sa = walk.strides[1].back(), sb = walk.strides[2].back();
    for (int64_t i = 0; i < n; i++) y[i] = which[i * s] ? a[i * sa] : b[i * sb];
  });
}

Operator where(const Making& m) {
  m.operands(3, 3);
  m.types({Type::boolean});
  m.same_types(1);
  const Shape shape = broadcast(m.shape(0), broadcast(m.shape(1), m.shape(2)));
  m.gives(0, m.type(1), shape);
  std::vector<Shape> strides;
  for (size_t i = 0; i < 3; i++) strides.push_back(broadcast_strides(m.shape(i), shape));
  strides.push_back(row_major(shape));
  const Walk walk = joined(shape, strides);
  const size_t size = size_of(m.type(1));
  return runs([=](Span<const Tensor> in, Span<const Tensor> out) {
    switch (size) {
      case 1: return choose<uint8_t>(walk, in, out);
      case 2: return choose<uint16_t>(walk, in, out);
      case 4: return choose<uint32_t>(walk, in, out);
      default: return choose<uint64_t>(walk, in, out);
    }
  });
}

template <class T>
T as(const Making& m, const char* name) {
  const auto found = m.op.attributes.find(name);
  if (found != m.op.attributes.end() && std::holds_alternative<int64_t>(found->second)) {
    const int64_t value = std::get<int64_t>(found->second);
    if constexpr (std::is_same_v<T, Half>) return T(double(value));
    else return T(value);
  }
  const double value = m.number(name);
  if constexpr (std::is_integral_v<T>) {
    m.require(value >= -9e18 && value <= 9e18, std::string(name) + " does not fit the type");
    return T(int64_t(value));
  } else {
    return T(value);
  }
}

// Memory full of one value.
Operator fill(const Making& m, const char* name) {
  Operator made;
  const int64_t n = elements(m.out[0].shape);
  with_type(m.out[0].type, [&](auto t) {
    using T = decltype(t);
    const T value = as<T>(m, name);
    made = runs([=](Span<const Tensor>, Span<const Tensor> out) { std::fill_n(data<T>(out[0]), n, value); });
  });
  m.require(made != nullptr, "a tensor has no type");
  return made;
}

Operator constant_of_shape(const Making& m) {
  m.operands(0, 0);
  m.gives(0, m.out[0].type, m.integers("shape"));
  return fill(m, "value");
}

Operator range(const Making& m) {
  m.operands(0, 0);
  const double start = m.number("start"), limit = m.number("limit"), delta = m.number("delta");
  m.require(delta != 0, "steps of 0");
  const double count = std::ceil((limit - start) / delta);
  m.require(count < 4e9 && m.out[0].shape.size() == 1 && m.out[0].shape[0] == int64_t(std::max(count, 0.0)),
            "output has another size than the range");
  const int64_t n = m.out[0].shape[0];
  Operator made;
  with_type(m.out[0].type, [&](auto t) {
    using T = decltype(t);
    made = runs([=](Span<const Tensor>, Span<const Tensor> out) {
      for (int64_t i = 0; i < n; i++) {
        const double value = start + double(i) * delta;
        if constexpr (std::is_integral_v<T>) data<T>(out[0])[i] = T(int64_t(std::fmin(std::fmax(value, -9e18), 9e18)));
        else data<T>(out[0])[i] = T(value);
      }
    });
  });
  m.require(made != nullptr, "a tensor has no type");
  return made;
}

// Where each output position of an axis comes from; std::string mode as in ONNX, pads may be negative.
std::vector<int64_t> sources(int64_t size, int64_t before, int64_t after, const std::string& mode) {
  const int64_t cut = std::max<int64_t>(-before, 0), kept = size - cut - std::max<int64_t>(-after, 0);
  const int64_t front = std::max<int64_t>(before, 0);
  std::vector<int64_t> found(size_t(size + before + after), 0);
  for (size_t i = 0; i < found.size(); i++) {
    int64_t at = int64_t(i) - front;
    if (mode == "edge") at = std::min(std::max<int64_t>(at, 0), kept - 1);
    else if (mode == "wrap") at = (at % kept + kept) % kept;
    else if (kept == 1) at = 0;
    else {
      const int64_t period = 2 * (kept - 1);
      at = (at % period + period) % period;
      at = std::min(at, period - at);
    }
    found[i] = cut + at;
  }
  return found;
}

template <class T>
void pick(const std::vector<std::vector<int64_t>>& places, const Shape& strides, size_t axis, const T* from, T*& to) {
  for (int64_t at : places[axis]) {
    if (axis + 1 == places.size()) *to++ = from[at * strides[axis]];
    else pick(places, strides, axis + 1, from + at * strides[axis], to);
  }
}

Operator pad_from_inside(const Making& m, const Shape& pads, const std::string& mode) {
  const size_t rank = size_t(m.rank());
  std::vector<std::vector<int64_t>> places;
  for (size_t i = 0; i < rank; i++) {
    const int64_t kept = m.shape(0)[i] + std::min<int64_t>(pads[i], 0) + std::min<int64_t>(pads[i + rank], 0);
    m.require(kept >= 1 || m.out[0].shape[i] == 0, "input " + text(m.shape(0)) + " is too small for " + mode + " pads");
    m.require(m.out[0].shape[i] < int64_t(1) << 28, "pads are too large");
    places.push_back(sources(m.shape(0)[i], pads[i], pads[i + rank], mode));
  }
  const Shape strides = row_major(m.shape(0));
  const bool empty = elements(m.out[0].shape) == 0 || rank == 0;
  const size_t size = size_of(m.type(0));
  return runs([=](Span<const Tensor> in, Span<const Tensor> out) {
    auto run = [&](auto t) {
      using T = decltype(t);
      T* to = data<T>(out[0]);
      if (!empty) pick(places, strides, 0, static_cast<const T*>(in[0].data), to);
      else if (rank == 0) *to = *data<T>(in[0]);
    };
    switch (size) {
      case 1: return run(uint8_t());
      case 2: return run(uint16_t());
      case 4: return run(uint32_t());
      default: return run(uint64_t());
    }
  });
}

Operator pad(const Making& m) {
  m.operands(1, 1);
  const Shape pads = m.integers("pads");
  const std::string& mode = m.word("mode");
  const size_t rank = size_t(m.rank());
  m.require(pads.size() == 2 * rank, "two pads per axis are required");
  Shape shape, kept;
  int64_t from = 0, to = 0;
  const Shape strides = row_major(m.shape(0)), wide = row_major(m.out[0].shape);
  m.require(m.out[0].shape.size() == rank, "output has another rank");
  for (size_t i = 0; i < rank; i++) {
    const int64_t before = pads[i], after = pads[i + rank], size = m.shape(0)[i];
    m.require(std::min(before, after) > -kLargest && std::max(before, after) < kLargest, "pads are too large");
    shape.push_back(size + before + after);
    m.require(shape[i] >= 0, "pads leave a negative size");
    kept.push_back(std::max<int64_t>(size + std::min<int64_t>(before, 0) + std::min<int64_t>(after, 0), 0));
  }
  m.gives(0, m.type(0), shape);
  if (mode == "edge" || mode == "reflect" || mode == "wrap") return pad_from_inside(m, pads, mode);
  m.require(mode == "constant", "mode '" + mode + "'");
  for (size_t i = 0; i < rank; i++)
    from += std::max<int64_t>(-pads[i], 0) * strides[i], to += std::max<int64_t>(pads[i], 0) * wide[i];
  const Walk walk = joined(kept, {strides, wide});
  const bool nothing = elements(kept) == 0;
  const size_t size = size_of(m.type(0));
  std::shared_ptr<Plain> around = fill(m, "value");
  return runs([=](Span<const Tensor> in, Span<const Tensor> out) {
    around->run(in, out);
    if (!nothing) copy(walk, size, data<char>(in[0]) + from * int64_t(size), data<char>(out[0]) + to * int64_t(size));
  });
}

}  // namespace

Makers gather_makers() {
  return {{"Gather", gather}, {"Where", where}, {"Pad", pad}, {"ConstantOfShape", constant_of_shape}, {"Range", range}};
}

}  // namespace underone
