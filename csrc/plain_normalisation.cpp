// Normalisations and softmax over float32.
#include <cmath>

#include "operators.h"
#include "walk.h"

namespace underone {

namespace {

void floats(const Making& m) {
  m.types({Type::float32});
  m.same_types();
  m.gives(0, Type::float32, m.shape(0));
}

// x (N, C, …) and further operands (C,).
void per_channel(const Making& m, size_t operands) {
  m.operands(operands, operands);
  floats(m);
  m.require(m.rank() >= 2, "input " + text(m.shape(0)) + "; at least the axes (N, C) are required");
  for (size_t i = 1; i < operands; i++)
    m.require(m.shape(i) == Shape{m.shape(0)[1]}, "operand " + text(m.shape(i)) + "; one value per channel is required");
}

int64_t behind(const Shape& shape, size_t axis) { return elements(Shape(shape.begin() + int64_t(axis), shape.end())); }

Operator batch_norm(const Making& m) {
  per_channel(m, 5);
  const float epsilon = float(m.number("epsilon"));
  const int64_t images = m.shape(0)[0], channels = m.shape(0)[1], pixels = behind(m.shape(0), 2);
  const Loops& loops = m.loops;
  return shares([=, &loops](Span<const Tensor> in, Span<const Tensor> out, Share share) {
    for (int64_t i = share.first(images * channels); i < share.last(images * channels); i++) {
      const int64_t c = i % channels;
      const float factor = data<float>(in[1])[c] / std::sqrt(data<float>(in[4])[c] + epsilon);
      const float shift = data<float>(in[2])[c] - data<float>(in[3])[c] * factor;
      loops.unary(Unary::affine, data<float>(in[0]) + i * pixels, data<float>(out[0]) + i * pixels, pixels, factor, shift);
    }
  });
}

Operator instance_norm(const Making& m) {
  per_channel(m, 3);
  const float epsilon = float(m.number("epsilon"));
  const int64_t images = m.shape(0)[0], channels = m.shape(0)[1], pixels = behind(m.shape(0), 2);
  const Loops& loops = m.loops;
  return shares([=, &loops](Span<const Tensor> in, Span<const Tensor> out, Share share) {
    for (int64_t i = share.first(images * channels); i < share.last(images * channels); i++) {
      float* y = data<float>(out[0]) + i * pixels;
      loops.standardise(data<float>(in[0]) + i * pixels, y, pixels, epsilon);
      loops.unary(Unary::affine, y, y, pixels, data<float>(in[1])[i % channels], data<float>(in[2])[i % channels]);
    }
  });
}

Operator layer_norm(const Making& m) {
  m.operands(2, 3);
  floats(m);
  const size_t axis = size_t(m.axis("axis", m.rank()));
  const Shape tail(m.shape(0).begin() + int64_t(axis), m.shape(0).end());
  const int64_t length = elements(tail), rows = elements(Shape(m.shape(0).begin(), m.shape(0).begin() + int64_t(axis)));
  const bool biased = m.given(2);
  std::vector<Walk> walks;  // scale and bias, spread over a row
  for (size_t i = 1; i < (biased ? 3u : 2u); i++) {
    m.require(broadcast(tail, m.shape(i)) == tail, "operand " + text(m.shape(i)) + " does not broadcast to " + text(tail));
    walks.push_back(joined(tail, {broadcast_strides(m.shape(i), tail), row_major(tail)}));
  }
  const float epsilon = float(m.number("epsilon"));
  const Loops& loops = m.loops;
  return shares([=, &loops](Span<const Tensor> in, Span<const Tensor> out, Share share) {
    if (length == 0) return;
    const auto scale = scratch<float>(length), bias = scratch<float>(length);
    copy(walks[0], 4, in[1].data, scale.get());
    if (biased) copy(walks[1], 4, in[2].data, bias.get());
    for (int64_t i = share.first(rows); i < share.last(rows); i++) {
      float* y = data<float>(out[0]) + i * length;
      loops.standardise(data<float>(in[0]) + i * length, y, length, epsilon);
      loops.binary(Binary::multiply, y, 1, scale.get(), 1, y, length);
      if (biased) loops.binary(Binary::add, y, 1, bias.get(), 1, y, length);
    }
  });
}

template <bool logarithm>
Operator softmax(const Making& m) {
  m.operands(1, 1);
  floats(m);
  const size_t axis = size_t(m.axis("axis", m.rank()));
  const int64_t length = m.shape(0)[axis], inner = behind(m.shape(0), axis + 1), all = elements(m.shape(0));
  const Shape blocks{all ? all / length / inner : 0, inner, length}, own{length * inner, 1, inner}, rows{length * inner, length, 1};
  const Walk there = joined(blocks, {own, rows}), back = joined(blocks, {rows, own});
  const Loops& loops = m.loops;
  if (inner == 1 && all)
    return shares([=, &loops](Span<const Tensor> in, Span<const Tensor> out, Share share) {
      const int64_t rows = all / length;
      for (int64_t i = share.first(rows); i < share.last(rows); i++)
        loops.softmax(data<float>(in[0]) + i * length, data<float>(out[0]) + i * length, length, logarithm);
    });
  return runs([=, &loops](Span<const Tensor> in, Span<const Tensor> out) {
    if (all == 0) return;
    const float* x = data<float>(in[0]);
    float* y = data<float>(out[0]);
    std::unique_ptr<float[]> sorted;
    if (inner > 1) {  // the axis is brought to the end, and back
      sorted = scratch<float>(all);
      copy(there, 4, x, sorted.get());
      x = y = sorted.get();
    }
    for (int64_t i = 0; i < all; i += length) loops.softmax(x + i, y + i, length, logarithm);
    if (inner > 1) copy(back, 4, sorted.get(), out[0].data);
  });
}

}  // namespace

Makers normalisation_makers() {
  return {
      {"BatchNormalization", batch_norm}, {"InstanceNormalization", instance_norm}, {"LayerNormalization", layer_norm},
      {"Softmax", softmax<false>}, {"LogSoftmax", softmax<true>},
  };
}

}  // namespace underone
