#include "operands.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace underone {

void Operands::require(bool holds, const char* what) const {
  if (!holds) throw std::invalid_argument(op.name + " " + what);
}

const Map& Operands::map(size_t i) const {
  require(i < in.size() && in[i].is_map, "needs a map");
  return in[i].map;
}
const Map& Operands::out_map(size_t i) const {
  require(i < out.size() && out[i].is_map, "gives a map");
  return out[i].map;
}
const Place& Operands::plain(size_t i) const {
  require(i < in.size() && !in[i].is_map && in[i].tensor.type == Type::float32, "needs a plain float32 tensor");
  return in[i];
}
const Place& Operands::out_plain(size_t i) const {
  require(i < out.size() && !out[i].is_map && out[i].tensor.type == Type::float32, "gives a plain float32 tensor");
  return out[i];
}
Tensor Operands::constant(size_t i, Type type) const {
  require(i < in.size() && !in[i].is_map && in[i].tensor.type == type && in[i].tensor.data, "needs a constant weight");
  Tensor tensor = in[i].tensor;
  if (reinterpret_cast<uintptr_t>(tensor.data) % size_of(type) == 0) return tensor;
  const size_t size = size_t(bytes(tensor));
  copies.emplace_back(new char[size]);
  constexpr size_t piece = size_t(1) << 20;  // of the file, that lies in memory beside its copy
  const char* const from = static_cast<const char*>(tensor.data);
  for (size_t at = 0; at < size; at += piece) {
    const size_t count = std::min(piece, size - at);
    std::memcpy(copies.back().get() + at, from + at, count);
    file.give_back(from + at, count);
  }
  tensor.data = copies.back().get();
  return tensor;
}
const float* Operands::bias(size_t i, int64_t size) const {
  if (!has(i)) return nullptr;
  const Tensor tensor = constant(i);
  require(elements(tensor.shape) == size, "has a bias of another size");
  return static_cast<const float*>(tensor.data);
}

Layer Operands::layer(size_t i, int64_t channels, bool quantised, const std::string& prefix) const {
  if (!quantised) return {constant(i).data, bias(i + 1, channels)};
  const Tensor whole = constant(i + 1, Type::int32);
  const auto factors = numbers(prefix + "factors");
  require(whole.shape == Shape{channels} && int64_t(factors.size()) == channels, "needs a bias and a factor for every output channel");
  return {constant(i, Type::int8).data, whole.data, {factors.begin(), factors.end()}, byte(prefix + "zero")};
}

int Operands::as_byte(double value) const {
  require(value >= 0 && value <= 255, "has a byte outside 0 to 255");
  return int(value);
}
int Operands::byte(const std::string& name) const { return as_byte(double(integer(name.c_str(), 0))); }

Quantum Operands::quantum(const std::string& name) const {
  const auto given = numbers(name);
  require(given.size() == 4 && given[0] >= 1e-30 && given[0] <= 1e30, "needs a step from 1e-30 to 1e30, a zero and bounds");
  return {float(given[0]), as_byte(given[1]), as_byte(given[2]), as_byte(given[3])};
}

const Shape& Operands::shape(size_t i) const {
  require(has(i), "needs a weight");
  return in[i].tensor.shape;
}

int64_t Operands::integer(const char* name, int64_t otherwise) const {
  auto found = op.attributes.find(name);
  if (found == op.attributes.end()) return otherwise;
  require(std::holds_alternative<int64_t>(found->second), "has an attribute of another type");
  return std::get<int64_t>(found->second);
}

std::vector<double> Operands::numbers(const std::string& name) const {
  auto found = op.attributes.find(name);
  if (found == op.attributes.end()) return {};
  if (auto* whole = std::get_if<std::vector<int64_t>>(&found->second)) return {whole->begin(), whole->end()};
  auto* real = std::get_if<std::vector<double>>(&found->second);
  require(real, "has an attribute of another type");
  return *real;
}

std::string Operands::word(const std::string& name) const {
  auto found = op.attributes.find(name);
  if (found == op.attributes.end()) return "";
  auto* text = std::get_if<std::string>(&found->second);
  require(text, "has an attribute of another type");
  return *text;
}

Finish Operands::finish(const std::string& prefix) const {
  static const std::pair<const char*, Function> names[] = {
      {"", Function::none}, {"sigmoid", Function::sigmoid}, {"silu", Function::silu}, {"hardsigmoid", Function::hardsigmoid},
      {"hardswish", Function::hardswish}, {"tanh", Function::tanh}, {"gelu", Function::gelu}, {"table", Function::table}};
  Finish f;
  const auto limits = numbers(prefix + "limits"), slope = numbers(prefix + "slope");
  require((limits.empty() || limits.size() == 2) && (slope.empty() || slope.size() == 2), "has limits that are no pair");
  if (limits.size()) f.low = float(limits[0]), f.high = float(limits[1]);
  if (slope.size()) f.alpha = float(slope[0]), f.beta = float(slope[1]);
  const std::string name = word(prefix + "function");
  if (name == "table") {
    const auto values = numbers(prefix + "table");
    require(values.size() == 256, "needs a table of 256 bytes");
    auto table = std::make_shared<std::vector<uint8_t>>();
    for (double value : values) table->push_back(uint8_t(as_byte(value)));
    f.table = table;
  }
  for (auto& [known, function] : names)
    if (name == known) return f.function = function, f;
  throw Unsupported("the function '" + name + "' is not known");
}

Window Operands::window(const std::string& prefix) const {
  const auto kernel = numbers(prefix + "kernel"), strides = numbers(prefix + "strides"), dilations = numbers(prefix + "dilations"), pads = numbers(prefix + "pads");
  if (kernel.empty()) return {};
  require(kernel.size() == 2 && strides.size() == 2 && dilations.size() == 2 && pads.size() == 4, "has a window that is not two-dimensional");
  auto whole = [&](double value, int least) {
    require(value >= least && value <= 65536, "has a window outside what is allowed (65536)");
    return int(value);
  };
  const Window w{whole(kernel[0], 1), whole(kernel[1], 1), whole(strides[0], 1), whole(strides[1], 1), whole(dilations[0], 1), whole(dilations[1], 1),
                 whole(pads[0], 0), whole(pads[1], 0), whole(pads[2], 0), whole(pads[3], 0)};
  require(int64_t(w.height) * w.dilation_y < 65536 && int64_t(w.width) * w.dilation_x < 65536, "has a window outside what is allowed (65536)");
  return w;
}

bool same_size(const Map& a, const Map& b) { return a.channels == b.channels && a.height == b.height && a.width == b.width && a.lanes == b.lanes; }

void clear_border(const Map& m, const Worker& worker, int zero) {
  if (!m.pad) return;
  for (int b = worker.first(m.blocks()); b < worker.last(m.blocks()); b++) {
    char* block = m.data + size_t(b) * m.pixels() * kCell;
    auto clear = [&](int from, int to) { std::memset(block + size_t(from) * kCell, zero, size_t(to - from) * kCell); };
    clear(0, m.place(0, 0));
    for (int y = 1; y < m.height; y++) clear(m.place(y - 1, m.width), m.place(y, 0));
    clear(m.place(m.height - 1, m.width), m.spare());
  }
}

void check_window(const Operands& o, const Window& w, int height, int width, const Map& out) {
  const int64_t y = int64_t(height) + w.top + w.bottom - w.reach_y(), x = int64_t(width) + w.left + w.right - w.reach_x();
  o.require(y >= 0 && x >= 0 && y / w.stride_y + 1 == out.height && x / w.stride_x + 1 == out.width, "gives another size than its window says");
}

}  // namespace underone
