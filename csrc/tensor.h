// The plain types that all of the engine shares: tensors, attributes, errors. No code that an instruction set could change.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

namespace underone {

enum class Type : uint8_t {  // none: an operand that is left out
  none, float32, int64, int32, uint8, int8, boolean, float64, float16, int16, uint16, uint32, uint64,
};

using Shape = std::vector<int64_t>;

// A row-major array. `data` is null while a plan is made, but for constants.
struct Tensor {
  Type type = Type::none;
  Shape shape;
  void* data = nullptr;
};

// A list of Python numbers arrives as integers when all of them are; single booleans arrive as integers.
using Attribute = std::variant<int64_t, double, std::string, std::vector<int64_t>, std::vector<double>>;

// One operator of the Graph: ONNX's name, every attribute written out (graph/ops.py), and what to call it in an error.
struct Op {
  std::string name;
  std::string label;
  std::map<std::string, Attribute> attributes;
};

template <class T>
struct Span {
  T* begin_ = nullptr;
  size_t size_ = 0;
  T& operator[](size_t i) const { return begin_[i]; }
  T* begin() const { return begin_; }
  T* end() const { return begin_ + size_; }
  size_t size() const { return size_; }
};

// Valid, but not implemented: NotImplementedError in Python. What does not fit is std::invalid_argument: ValueError.
struct Unsupported : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The part of an operator's work that one thread does.
struct Share {
  int part = 0, parts = 1;
  int64_t first(int64_t count) const { return count * part / parts; }  // of `count` pieces, from here
  int64_t last(int64_t count) const { return count * (part + 1) / parts; }
};

size_t size_of(Type type);

// Number of elements and bytes. Throws std::invalid_argument for a negative size or more than `kLargest` bytes.
constexpr int64_t kLargest = int64_t(4) << 30;
int64_t elements(const Shape& shape);
int64_t bytes(const Tensor& tensor);

std::string text(const Shape& shape);  // "(1, 3, 224, 224)"

}  // namespace underone
