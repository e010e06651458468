// What a step is made from: operands looked up and checked, attributes parsed.
#pragma once
#include "steps.h"

namespace underone {

struct Operands {
  const Op& op;
  const std::vector<Place>& in;
  const std::vector<Place>& out;
  const FileView file = {};

  // Throws std::invalid_argument("cells.x <what>") unless `holds`.
  void require(bool holds, const char* what) const;
  bool has(size_t i) const { return i < in.size() && (in[i].is_map || in[i].tensor.type != Type::none); }
  const Map& map(size_t i) const;
  const Map& out_map(size_t i) const;
  const Place& plain(size_t i) const;      // float32
  const Place& out_plain(size_t i) const;  // float32
  Tensor constant(size_t i, Type type = Type::float32) const;  // with data, which lives as long as the operands
  const float* bias(size_t i, int64_t size) const;  // null when it is left out
  const Shape& shape(size_t i) const;

  // The weight at i and the bias behind it; of a layer that gives a quantised map int8, int32, and the attributes
  // <prefix>factors and <prefix>zero. Its shape is given to the caller to check.
  Layer layer(size_t i, int64_t channels, bool quantised, const std::string& prefix = "") const;
  // The attribute (step, zero, low, high).
  Quantum quantum(const std::string& name) const;

  int64_t integer(const char* name, int64_t otherwise) const;
  int byte(const std::string& name) const;  // an attribute from 0 to 255; 0 when it is left out
  std::vector<double> numbers(const std::string& name) const;
  std::string word(const std::string& name) const;
  // The attributes <prefix>limits: (low, high) and <prefix>function: name, <prefix>slope: (alpha, beta).
  Finish finish(const std::string& prefix) const;
  // The attributes <prefix>kernel, strides, dilations, pads, as ONNX orders them.
  Window window(const std::string& prefix = "") const;

  int as_byte(double value) const;

  mutable std::vector<std::unique_ptr<char[]>> copies = {};  // of constants that are views of a file, at odd addresses
};

bool same_size(const Map& a, const Map& b);
// Writes the border of a map: zeroes, or the zero of a quantised map; threads share the blocks.
void clear_border(const Map& map, const Worker& worker, int zero = 0);
// The window over an image of this size gives the output's size.
void check_window(const Operands& o, const Window& window, int height, int width, const Map& out);

}  // namespace underone
