// An argument of a compiled kernel: host pointer, then (extent, stride) of every dimension, each beginning at 0.
#pragma once
#include <initializer_list>
#include <utility>

#include "HalideRuntime.h"

namespace underone::UNDERONE_ISA {

using Buffer = halide_buffer_t*;

template <int D>
struct View {
  halide_buffer_t buffer{};
  halide_dimension_t dimension[D]{};
  View(const void* host, halide_type_t type, std::initializer_list<std::pair<int, int>> shape) {
    int i = 0;
    for (auto [extent, stride] : shape) dimension[i++] = halide_dimension_t(0, extent, stride);
    buffer.host = static_cast<uint8_t*>(const_cast<void*>(host));
    buffer.type = type;
    buffer.dimensions = D;
    buffer.dim = dimension;
  }
  operator Buffer() { return &buffer; }
};

static const halide_type_t kFloat(halide_type_float, 32), kInt(halide_type_int, 32), kWord(halide_type_uint, 32);

}  // namespace underone::UNDERONE_ISA
