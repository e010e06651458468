// What the files of plain operators (plain_*.cpp) share: a maker per operator, and what makers need.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "loops.h"
#include "plain.h"
#include "tensor.h"

namespace underone {

// One byte that is true unless 0, whatever wrote it.
struct Bool {
  uint8_t value = 0;
  Bool() = default;
  Bool(bool x) : value(x) {}
  operator bool() const { return value != 0; }
};

struct Half {
  uint16_t value = 0;
  Half() = default;
  explicit Half(double x);
  operator float() const;
};

// Calls f with a value of the C++ type of `type`.
template <class F>
void with_type(Type type, F f) {
  switch (type) {
    case Type::float32: return f(float());
    case Type::float64: return f(double());
    case Type::float16: return f(Half());
    case Type::int64: return f(int64_t());
    case Type::int32: return f(int32_t());
    case Type::int16: return f(int16_t());
    case Type::int8: return f(int8_t());
    case Type::uint64: return f(uint64_t());
    case Type::uint32: return f(uint32_t());
    case Type::uint16: return f(uint16_t());
    case Type::uint8: return f(uint8_t());
    case Type::boolean: return f(Bool());
    case Type::none: return;
  }
}

inline bool is_float(Type t) { return t == Type::float32 || t == Type::float64; }
inline bool is_integer(Type t) { return !is_float(t) && t != Type::boolean && t != Type::float16 && t != Type::none; }
std::string text(Type type);

template <class T>
T* data(const Tensor& tensor) {
  return static_cast<T*>(tensor.data);
}

// Uninitialised scratch memory.
template <class T>
std::unique_ptr<T[]> scratch(int64_t count) {
  return std::unique_ptr<T[]>(new T[size_t(count)]);
}

// An operator that is being made.
struct Making {
  const Op& op;
  Span<const Tensor> in, out;
  const Loops& loops;

  // Attributes; std::invalid_argument when they are missing or of another kind.
  int64_t integer(const char* name) const;
  double number(const char* name) const;
  const std::string& word(const char* name) const;
  Shape integers(const char* name) const;
  std::vector<double> numbers(const char* name) const;
  bool has(const char* name) const { return op.attributes.count(name) != 0; }

  const Shape& shape(size_t i) const { return in[i].shape; }
  Type type(size_t i) const { return in[i].type; }
  int rank(size_t i = 0) const { return int(in[i].shape.size()); }
  bool given(size_t i) const { return i < in.size() && in[i].type != Type::none; }

  void operands(size_t fewest, size_t most, size_t outputs = 1) const;  // all that are required are there
  void require(bool fits, const std::string& message) const;            // std::invalid_argument
  void types(std::initializer_list<Type> known) const;                   // of operand 0; Unsupported
  void same_types(size_t from = 0) const;                                 // of all operands from `from` on
  void gives(size_t i, Type type, const Shape& shape) const;              // output i has this type and shape
  int axis(const char* name, int rank) const;                             // counted from the front
  std::vector<int> axes(const char* name, int rank) const;                // each once
  [[noreturn]] void unsupported(const std::string& what) const;
};

using Operator = std::unique_ptr<Plain>;
using Maker = Operator (*)(const Making&);
using Makers = std::vector<std::pair<const char*, Maker>>;

// Wraps a function of (in, out, share) that was prepared for its shapes.
template <class F>
Operator shares(F f) {
  struct Function : Plain {
    explicit Function(F&& function) : f(std::move(function)) {}
    void run(Span<const Tensor> in, Span<const Tensor> out, Share share) const override { f(in, out, share); }
    F f;
  };
  return std::make_unique<Function>(std::move(f));
}

// The same for a function of (in, out) that cannot be divided.
template <class F>
Operator runs(F f) {
  return shares([f = std::move(f)](Span<const Tensor> in, Span<const Tensor> out, Share share) {
    if (share.part == 0) f(in, out);
  });
}

// The tables of the files.
Makers elementwise_makers();
Makers arithmetic_makers();
Makers cast_makers();
Makers layout_makers();
Makers gather_makers();
Makers reduction_makers();
Makers normalisation_makers();
Makers window_makers();
Makers product_makers();
Makers resize_makers();
Makers integer_makers();

}  // namespace underone
