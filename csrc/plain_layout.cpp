// Operators that move elements: every one is a walk by strides, whatever the type.
#include <algorithm>
#include <cstring>
#include <limits>

#include "operators.h"
#include "walk.h"

namespace underone {

namespace {

// One copy from operand `in` to output `out`, from and to an element on.
struct Move {
  size_t in, out;
  int64_t from, to;
  Walk walk;
};

Operator moves(const Making& m, std::vector<Move> list) {
  const size_t size = size_of(m.out[0].type);
  return shares([size, list = std::move(list)](Span<const Tensor> in, Span<const Tensor> out, Share share) {
    for (const Move& move : list)
      if (std::find(move.walk.sizes.begin(), move.walk.sizes.end(), 0) == move.walk.sizes.end())
        copy(move.walk, size, data<char>(in[move.in]) + move.from * int64_t(size),
             data<char>(out[move.out]) + move.to * int64_t(size), share);
  });
}

// All elements in the same order.
Operator same_order(const Making& m, const Shape& shape) {
  m.operands(1, 1);
  m.gives(0, m.type(0), shape);
  const size_t size = size_t(bytes(m.in[0]));
  m.require(bytes(m.out[0]) == int64_t(size), "input " + text(m.shape(0)) + " has other elements than " + text(shape));
  return shares([size](Span<const Tensor> in, Span<const Tensor> out, Share share) {
    const int64_t first = share.first(int64_t(size)), count = share.last(int64_t(size)) - first;
    if (count && in[0].data != out[0].data) std::memcpy(data<char>(out[0]) + first, data<char>(in[0]) + first, size_t(count));
  });
}

// The attributes of these say what the output's shape says already; only the elements count.
Operator reshape(const Making& m) {
  m.operands(1, 1);
  return same_order(m, m.out[0].shape);
}

Operator identity(const Making& m) {
  m.operands(1, 1);
  return same_order(m, m.shape(0));
}

Operator transpose(const Making& m) {
  m.operands(1, 1);
  const std::vector<int> perm = m.axes("perm", m.rank());
  m.require(int(perm.size()) == m.rank(), "perm must name each axis once");
  const Shape strides = row_major(m.shape(0));
  Shape shape, from;
  for (int p : perm) shape.push_back(m.shape(0)[size_t(p)]), from.push_back(strides[size_t(p)]);
  m.gives(0, m.type(0), shape);
  return moves(m, {{0, 0, 0, 0, joined(shape, {from, row_major(shape)})}});
}

Operator concat(const Making& m) {
  m.operands(1, std::numeric_limits<size_t>::max());
  for (size_t i = 0; i < m.in.size(); i++) m.require(m.given(i), "operand " + std::to_string(i) + " is left out");
  m.same_types();
  const size_t axis = size_t(m.axis("axis", m.rank()));
  Shape whole = m.shape(0);
  for (size_t i = 1; i < m.in.size(); i++) {
    Shape rest = m.shape(i);
    m.require(rest.size() == whole.size(), "operand " + text(rest) + " has another rank");
    whole[axis] += rest[axis];
    rest[axis] = whole[axis];
    m.require(rest == whole, "operand " + text(m.shape(i)) + " differs beside axis " + std::to_string(axis));
  }
  m.gives(0, m.type(0), whole);
  const Shape strides = row_major(whole);
  std::vector<Move> list;
  int64_t at = 0;
  for (size_t i = 0; i < m.in.size(); i++) {
    list.push_back({i, 0, 0, at * strides[axis], joined(m.shape(i), {row_major(m.shape(i)), strides})});
    at += m.shape(i)[axis];
  }
  return moves(m, list);
}

Operator split(const Making& m) {
  const Shape parts = m.integers("split");
  m.operands(1, 1, parts.size());
  m.require(!parts.empty(), "split into nothing");
  const size_t axis = size_t(m.axis("axis", m.rank()));
  const Shape strides = row_major(m.shape(0));
  std::vector<Move> list;
  int64_t at = 0;
  for (size_t i = 0; i < parts.size(); i++) {
    m.require(parts[i] >= 0 && parts[i] <= m.shape(0)[axis] - at, "split does not fit " + text(m.shape(0)));
    Shape shape = m.shape(0);
    shape[axis] = parts[i];
    m.gives(i, m.type(0), shape);
    list.push_back({0, i, at * strides[axis], 0, joined(shape, {strides, row_major(shape)})});
    at += parts[i];
  }
  m.require(at == m.shape(0)[axis], "split does not fit " + text(m.shape(0)));
  return moves(m, list);
}

// Start and length of one axis, clamped as Python does; a backward end below -size means through element 0.
std::pair<int64_t, int64_t> range_of(int64_t size, int64_t start, int64_t end, int64_t step) {
  const bool back = step < 0;
  auto clamped = [&](int64_t at) {
    if (at < 0) at = at < -size ? -1 : at + size;
    return std::min(std::max<int64_t>(at, back ? -1 : 0), back ? size - 1 : size);
  };
  start = clamped(start);
  end = back && end < 0 && end >= -size ? end + size : clamped(end);
  const uint64_t distance = back ? uint64_t(std::max<int64_t>(start - end, 0)) : uint64_t(std::max<int64_t>(end - start, 0));
  const uint64_t stride = back ? 0 - uint64_t(step) : uint64_t(step);
  return {start, int64_t(distance / stride + (distance % stride != 0))};
}

Operator slice(const Making& m) {
  m.operands(1, 1);
  const std::vector<int> axes = m.axes("axes", m.rank());
  const Shape starts = m.integers("starts"), ends = m.integers("ends"), steps = m.integers("steps");
  m.require(starts.size() == axes.size() && ends.size() == axes.size() && steps.size() == axes.size(),
            "starts, ends, axes and steps must have the same length");
  Shape shape = m.shape(0), strides = row_major(shape);
  int64_t from = 0;
  for (size_t i = 0; i < axes.size(); i++) {
    m.require(steps[i] != 0, "a step of 0");
    const size_t axis = size_t(axes[i]);
    const auto [start, count] = range_of(m.shape(0)[axis], starts[i], ends[i], steps[i]);
    shape[axis] = count;
    from += count ? start * strides[axis] : 0;
    strides[axis] = count > 1 ? strides[axis] * steps[i] : 0;  // no overflow: two elements lie that far apart
  }
  m.gives(0, m.type(0), shape);
  return moves(m, {{0, 0, from, 0, joined(shape, {strides, row_major(shape)})}});
}

Operator expand(const Making& m) {
  m.operands(1, 2);
  const Shape& wide = m.out[0].shape;
  m.gives(0, m.type(0), broadcast(m.shape(0), wide));
  return moves(m, {{0, 0, 0, 0, joined(wide, {broadcast_strides(m.shape(0), wide), row_major(wide)})}});
}

Operator tile(const Making& m) {
  m.operands(1, 1);
  const Shape repeats = m.integers("repeats"), own = row_major(m.shape(0));
  m.require(int(repeats.size()) == m.rank(), "one repeat per axis is required");
  Shape shape, twice, from;  // every axis as (repeat, size)
  for (size_t i = 0; i < repeats.size(); i++) {
    int64_t size = 0;
    m.require(repeats[i] >= 0 && !__builtin_mul_overflow(repeats[i], m.shape(0)[i], &size), "repeats do not fit");
    shape.push_back(size);
    twice.insert(twice.end(), {repeats[i], m.shape(0)[i]});
    from.insert(from.end(), {0, own[i]});
  }
  m.gives(0, m.type(0), shape);
  elements(twice);
  return moves(m, {{0, 0, 0, 0, joined(twice, {from, row_major(twice)})}});
}

// (N, C, H, W) as blocks: sizes and strides of six axes of the input, in the order of the output.
Operator blocks(const Making& m, const Shape& shape, const Shape& sizes, const std::vector<size_t>& order) {
  m.gives(0, m.type(0), shape);
  const Shape strides = row_major(sizes);
  Shape out, from;
  for (size_t i : order) out.push_back(sizes[i]), from.push_back(strides[i]);
  return moves(m, {{0, 0, 0, 0, joined(out, {from, row_major(out)})}});
}

Operator depth_to_space(const Making& m) {
  m.operands(1, 1);
  const int64_t b = m.integer("blocksize");
  const std::string& mode = m.word("mode");
  m.require(m.rank() == 4 && b >= 1 && b < 65536 && m.shape(0)[1] % (b * b) == 0, "C must be a multiple of blocksize squared");
  m.require(mode == "DCR" || mode == "CRD", "mode '" + mode + "'; DCR or CRD is required");
  const int64_t n = m.shape(0)[0], c = m.shape(0)[1] / (b * b), h = m.shape(0)[2], w = m.shape(0)[3];
  const Shape shape{n, c, h * b, w * b};
  if (mode == "DCR") return blocks(m, shape, {n, b, b, c, h, w}, {0, 3, 4, 1, 5, 2});
  return blocks(m, shape, {n, c, b, b, h, w}, {0, 1, 4, 2, 5, 3});
}

Operator space_to_depth(const Making& m) {
  m.operands(1, 1);
  const int64_t b = m.integer("blocksize");
  m.require(m.rank() == 4 && b >= 1 && b < 65536 && m.shape(0)[2] % b == 0 && m.shape(0)[3] % b == 0,
            "H and W must be multiples of blocksize");
  const int64_t n = m.shape(0)[0], c = m.shape(0)[1], h = m.shape(0)[2] / b, w = m.shape(0)[3] / b;
  return blocks(m, {n, c * b * b, h, w}, {n, c, h, b, w, b}, {0, 3, 5, 1, 2, 4});
}

Operator shape_of(const Making& m) {
  m.operands(1, 1);
  auto at = [&](const char* name, int64_t rest) {
    int64_t i = m.has(name) ? m.integer(name) : rest;
    if (i < 0) i = i < -m.rank() ? 0 : i + m.rank();
    return std::min<int64_t>(i, m.rank());
  };
  const int64_t start = at("start", 0), end = std::max(at("end", m.rank()), start);
  const Shape found(m.shape(0).begin() + start, m.shape(0).begin() + end);
  m.gives(0, Type::int64, {int64_t(found.size())});
  return runs([found](Span<const Tensor>, Span<const Tensor> out) { std::copy(found.begin(), found.end(), data<int64_t>(out[0])); });
}

Operator size_of_all(const Making& m) {
  m.operands(1, 1);
  m.gives(0, Type::int64, {});
  const int64_t n = elements(m.shape(0));
  return runs([n](Span<const Tensor>, Span<const Tensor> out) { *data<int64_t>(out[0]) = n; });
}

}  // namespace

Makers layout_makers() {
  return {
      {"Identity", identity}, {"Reshape", reshape}, {"Flatten", reshape}, {"Squeeze", reshape},
      {"Unsqueeze", reshape}, {"Transpose", transpose}, {"Concat", concat}, {"Split", split},
      {"Slice", slice}, {"Expand", expand}, {"Tile", tile}, {"DepthToSpace", depth_to_space},
      {"SpaceToDepth", space_to_depth}, {"Shape", shape_of}, {"Size", size_of_all},
  };
}

}  // namespace underone
