#include "walk.h"

#include <algorithm>
#include <cstring>

namespace underone {

Shape row_major(const Shape& shape) {
  Shape strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

Shape broadcast(const Shape& a, const Shape& b) {
  const Shape &longer = a.size() >= b.size() ? a : b, &shorter = a.size() >= b.size() ? b : a;
  Shape wide = longer;
  for (size_t i = 0; i < shorter.size(); i++) {
    int64_t& size = wide[wide.size() - 1 - i];
    const int64_t other = shorter[shorter.size() - 1 - i];
    if (size != other && size != 1 && other != 1)
      throw std::invalid_argument("operands " + text(a) + " and " + text(b) + " do not broadcast");
    if (size == 1) size = other;
  }
  return wide;
}

Shape broadcast_strides(const Shape& shape, const Shape& wide) {
  const Shape own = row_major(shape);
  Shape strides(wide.size(), 0);
  const size_t lead = wide.size() - shape.size();
  for (size_t i = 0; i < shape.size(); i++) strides[lead + i] = shape[i] == 1 ? 0 : own[i];
  return strides;
}

Walk joined(const Shape& sizes, const std::vector<Shape>& strides) {
  Walk walk{{}, std::vector<Shape>(strides.size())};
  for (size_t axis = 0; axis < sizes.size(); axis++) {
    if (sizes[axis] == 1) continue;
    bool follows = !walk.sizes.empty();
    for (size_t i = 0; i < strides.size() && follows; i++)
      follows = walk.strides[i].back() == strides[i][axis] * sizes[axis];
    if (follows) {
      walk.sizes.back() *= sizes[axis];
      for (size_t i = 0; i < strides.size(); i++) walk.strides[i].back() = strides[i][axis];
    } else {
      walk.sizes.push_back(sizes[axis]);
      for (size_t i = 0; i < strides.size(); i++) walk.strides[i].push_back(strides[i][axis]);
    }
  }
  if (walk.sizes.empty()) {
    walk.sizes.push_back(1);
    for (Shape& s : walk.strides) s.push_back(1);
  }
  return walk;
}

namespace {

// to[r * out + c] = from[r + c * in], in squares that stay in the first cache.
template <class T>
void turn(const T* from, T* to, int64_t rows, int64_t columns, int64_t in, int64_t out) {
  constexpr int64_t kSide = 16;
  for (int64_t r = 0; r < rows; r += kSide)
    for (int64_t c = 0; c < columns; c += kSide) {
      const int64_t last_row = std::min(r + kSide, rows), last_column = std::min(c + kSide, columns);
      for (int64_t i = r; i < last_row; i++)
        for (int64_t j = c; j < last_column; j++) to[i * out + j] = from[i + j * in];
    }
}

// The axis that is read in order when the last one is written in order; the last one when there is no such pair.
size_t axis_to_turn(const Walk& walk) {
  const size_t last = walk.sizes.size() - 1;
  if (walk.strides[1][last] == 1 && walk.strides[0][last] != 1)
    for (size_t a = 0; a < last; a++)
      if (walk.strides[0][a] == 1) return a;
  return last;
}

template <class T>
void copy_elements(const Walk& walk, const T* from, T* to) {
  const int64_t in = walk.strides[0].back(), out = walk.strides[1].back();
  const size_t last = walk.sizes.size() - 1, turned = axis_to_turn(walk);
  if (turned != last) {
    Walk rest = walk;
    rest.sizes[turned] = rest.sizes[last] = 1;
    if (walk.sizes[turned] == 0 || walk.sizes[last] == 0) return;
    return rest.rows<2>([&](const int64_t* at, int64_t) {
      turn(from + at[0], to + at[1], walk.sizes[turned], walk.sizes[last], in, walk.strides[1][turned]);
    });
  }
  walk.rows<2>([=](const int64_t* at, int64_t n) {
    const T* x = from + at[0];
    T* y = to + at[1];
    if (in == 1 && out == 1)
      std::memcpy(y, x, size_t(n) * sizeof(T));
    else if (out == 1)
      for (int64_t i = 0; i < n; i++) y[i] = x[i * in];
    else
      for (int64_t i = 0; i < n; i++) y[i * out] = x[i * in];
  });
}

}  // namespace

Walk Walk::cut(Share share, int64_t* offsets) const {
  Walk part = *this;
  if (share.parts == 1) return part;
  const size_t axis = size_t(std::max_element(sizes.begin(), sizes.end()) - sizes.begin());
  const int64_t first = share.first(sizes[axis]);
  part.sizes[axis] = share.last(sizes[axis]) - first;
  for (size_t i = 0; i < strides.size(); i++) offsets[i] += first * strides[i][axis];
  return part;
}

void copy(const Walk& whole, size_t size, const void* first, void* to, Share share) {
  int64_t offsets[2] = {};
  const Walk walk = whole.cut(share, offsets);
  const char* const from = static_cast<const char*>(first) + offsets[0] * int64_t(size);
  to = static_cast<char*>(to) + offsets[1] * int64_t(size);
  switch (size) {
    case 1: return copy_elements(walk, reinterpret_cast<const uint8_t*>(from), static_cast<uint8_t*>(to));
    case 2: return copy_elements(walk, reinterpret_cast<const uint16_t*>(from), static_cast<uint16_t*>(to));
    case 4: return copy_elements(walk, reinterpret_cast<const uint32_t*>(from), static_cast<uint32_t*>(to));
    default: return copy_elements(walk, reinterpret_cast<const uint64_t*>(from), static_cast<uint64_t*>(to));
  }
}

}  // namespace underone
