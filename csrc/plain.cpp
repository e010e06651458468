// From an operator's name to its maker, and what makers ask for.
#include "plain.h"

#include <algorithm>
#include <map>

#include "operators.h"

namespace underone {

namespace {

const std::map<std::string, Maker>& makers() {
  static const std::map<std::string, Maker> all = [] {
    std::map<std::string, Maker> m;
    for (const Makers& part : {elementwise_makers(), arithmetic_makers(), cast_makers(), layout_makers(), gather_makers(),
                               reduction_makers(), normalisation_makers(), window_makers(), product_makers(),
                               resize_makers(), integer_makers()})
      m.insert(part.begin(), part.end());
    return m;
  }();
  return all;
}

template <class T>
const T& attribute(const Op& op, const char* name, const char* kind) {
  const auto found = op.attributes.find(name);
  if (found == op.attributes.end()) throw std::invalid_argument(std::string("attribute ") + name + " is missing");
  if (!std::holds_alternative<T>(found->second))
    throw std::invalid_argument(std::string("attribute ") + name + " is no " + kind);
  return std::get<T>(found->second);
}

Operator make(const Op& op, Span<const Tensor> in, Span<const Tensor> out, const Loops& loops);

// An operator on float16: computed in float32, rounded once.
Operator widened(const Op& op, Span<const Tensor> in, Span<const Tensor> out, const Loops& loops) {
  auto wide = [](Span<const Tensor> tensors) {
    std::vector<Tensor> copy(tensors.begin(), tensors.end());
    for (Tensor& t : copy)
      if (t.type == Type::float16) t.type = Type::float32, t.data = nullptr;
    return copy;
  };
  const std::vector<Tensor> wide_in = wide(in), wide_out = wide(out);
  std::shared_ptr<Plain> inner = make(op, {wide_in.data(), wide_in.size()}, {wide_out.data(), wide_out.size()}, loops);
  return runs([=](Span<const Tensor> in, Span<const Tensor> out) {
    std::vector<Tensor> x(in.begin(), in.end()), y(out.begin(), out.end());
    std::vector<std::unique_ptr<float[]>> held;
    auto hold = [&](Tensor& t) {
      const int64_t n = elements(t.shape);
      held.push_back(scratch<float>(n));
      t.type = Type::float32, t.data = held.back().get();
      return n;
    };
    for (size_t i = 0; i < x.size(); i++) {
      if (x[i].type != Type::float16) continue;
      const int64_t n = hold(x[i]);
      std::copy(data<Half>(in[i]), data<Half>(in[i]) + n, data<float>(x[i]));
    }
    for (Tensor& t : y)
      if (t.type == Type::float16) hold(t);
    inner->run({x.data(), x.size()}, {y.data(), y.size()});
    for (size_t i = 0; i < y.size(); i++)
      if (out[i].type == Type::float16)
        std::transform(data<float>(y[i]), data<float>(y[i]) + elements(y[i].shape), data<Half>(out[i]),
                       [](float v) { return Half(v); });
  });
}

bool moves_only(const std::string& name) {
  static const Makers known = [] {
    Makers all = layout_makers();
    for (const Makers& part : {gather_makers(), cast_makers()}) all.insert(all.end(), part.begin(), part.end());
    return all;
  }();
  return std::any_of(known.begin(), known.end(), [&](const auto& row) { return name == row.first; });
}

Operator make(const Op& op, Span<const Tensor> in, Span<const Tensor> out, const Loops& loops) {
  const auto found = makers().find(op.name);
  if (found == makers().end()) throw Unsupported(op.name + " is no operator of the native engine");
  for (const Tensor& t : in) bytes(t);
  for (const Tensor& t : out) bytes(t);
  auto half = [](const Tensor& t) { return t.type == Type::float16; };
  if (!moves_only(op.name) && (std::any_of(in.begin(), in.end(), half) || std::any_of(out.begin(), out.end(), half)))
    return widened(op, in, out, loops);
  return found->second(Making{op, in, out, loops});
}

}  // namespace

#if defined(__x86_64__)
Operator avx2::make_plain(const Op& op, Span<const Tensor> in, Span<const Tensor> out) { return make(op, in, out, loops); }
Operator avx512::make_plain(const Op& op, Span<const Tensor> in, Span<const Tensor> out) { return make(op, in, out, loops); }
#else
Operator neon::make_plain(const Op& op, Span<const Tensor> in, Span<const Tensor> out) { return make(op, in, out, loops); }
#endif

std::string text(Type type) {
  static const char* const names[] = {"nothing", "float32", "int64", "int32", "uint8", "int8", "bool",
                                      "float64", "float16", "int16", "uint16", "uint32", "uint64"};
  return names[size_t(type)];
}

int64_t Making::integer(const char* name) const { return attribute<int64_t>(op, name, "whole number"); }

double Making::number(const char* name) const {
  const auto found = op.attributes.find(name);
  if (found != op.attributes.end() && std::holds_alternative<int64_t>(found->second))
    return double(std::get<int64_t>(found->second));
  return attribute<double>(op, name, "number");
}

const std::string& Making::word(const char* name) const { return attribute<std::string>(op, name, "text"); }

Shape Making::integers(const char* name) const {
  const auto found = op.attributes.find(name);
  if (found != op.attributes.end() && std::holds_alternative<std::vector<double>>(found->second) &&
      std::get<std::vector<double>>(found->second).empty())
    return {};
  return attribute<Shape>(op, name, "list of whole numbers");
}

std::vector<double> Making::numbers(const char* name) const {
  const auto found = op.attributes.find(name);
  if (found != op.attributes.end() && std::holds_alternative<Shape>(found->second)) {
    const Shape& whole = std::get<Shape>(found->second);
    return {whole.begin(), whole.end()};
  }
  return attribute<std::vector<double>>(op, name, "list of numbers");
}

void Making::operands(size_t fewest, size_t most, size_t outputs) const {
  require(in.size() >= fewest && in.size() <= most, std::to_string(in.size()) + " operands");
  for (size_t i = 0; i < fewest; i++) require(in[i].type != Type::none, "operand " + std::to_string(i) + " is left out");
  require(out.size() == outputs, std::to_string(out.size()) + " outputs; " + std::to_string(outputs) + " are required");
}

void Making::require(bool fits, const std::string& message) const {
  if (!fits) throw std::invalid_argument(op.name + ": " + message);
}

void Making::unsupported(const std::string& what) const {
  throw Unsupported(op.name + " of " + what + " is not implemented in the native engine");
}

void Making::types(std::initializer_list<Type> known) const {
  if (std::find(known.begin(), known.end(), type(0)) == known.end()) unsupported(underone::text(type(0)));
}

void Making::same_types(size_t from) const {
  for (size_t i = from; i < in.size(); i++)
    if (given(i) && type(i) != type(from)) unsupported(underone::text(type(from)) + " with " + underone::text(type(i)));
}

void Making::gives(size_t i, Type type, const Shape& shape) const {
  require(i < out.size() && out[i].type == type && out[i].shape == shape,
          "output " + std::to_string(i) + " must be " + underone::text(type) + " " + underone::text(shape));
}

int Making::axis(const char* name, int rank) const {
  const int64_t given = integer(name);
  require(given >= -rank && given < rank,
          "axis " + std::to_string(given) + " of a tensor with " + std::to_string(rank) + " axes");
  return int(given < 0 ? given + rank : given);
}

std::vector<int> Making::axes(const char* name, int rank) const {
  std::vector<int> found;
  for (int64_t a : integers(name)) {
    require(a >= -rank && a < rank, "axis " + std::to_string(a) + " of a tensor with " + std::to_string(rank) + " axes");
    const int axis = int(a < 0 ? a + rank : a);
    require(std::find(found.begin(), found.end(), axis) == found.end(), "axes name one axis twice");
    found.push_back(axis);
  }
  return found;
}

}  // namespace underone
