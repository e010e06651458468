#include "tensor.h"

namespace underone {

size_t size_of(Type type) {
  switch (type) {
    case Type::none: return 0;
    case Type::float32:
    case Type::int32:
    case Type::uint32: return 4;
    case Type::float64:
    case Type::int64:
    case Type::uint64: return 8;
    case Type::float16:
    case Type::int16:
    case Type::uint16: return 2;
    default: return 1;
  }
}

int64_t elements(const Shape& shape) {
  int64_t product = 1;
  bool empty = false;
  for (int64_t size : shape) {
    if (size < 0) throw std::invalid_argument("a tensor has the shape " + text(shape) + "; sizes from 0 up are required");
    empty |= size == 0;
    if (size && __builtin_mul_overflow(product, size, &product)) product = kLargest + 1;
    if (product > kLargest)
      throw std::invalid_argument("a tensor has the shape " + text(shape) + "; at most 4 GiB are allowed");
  }
  return empty ? 0 : product;
}

int64_t bytes(const Tensor& tensor) {
  const int64_t size = elements(tensor.shape) * int64_t(size_of(tensor.type));
  if (size > kLargest)
    throw std::invalid_argument("a tensor has the shape " + text(tensor.shape) + "; at most 4 GiB are allowed");
  return size;
}

std::string text(const Shape& shape) {
  std::string s = "(";
  for (size_t i = 0; i < shape.size(); i++) s += (i ? ", " : "") + std::to_string(shape[i]);
  return s + (shape.size() == 1 ? ",)" : ")");
}

}  // namespace underone
