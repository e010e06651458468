// Pictures that others hold, seen by numpy where they lie: the Arrow C data interface.
#include <nanobind/ndarray.h>
#include <nanobind/stl/tuple.h>

#include <cstring>
#include <stdexcept>
#include <string>
#include <tuple>

#include "bindings.h"

namespace nb = nanobind;

namespace underone {
namespace {

// Source of both: https://arrow.apache.org/docs/format/CDataInterface.html
struct ArrowSchema {
  const char *format, *name, *metadata;
  int64_t flags, n_children;
  ArrowSchema **children, *dictionary;
  void (*release)(ArrowSchema*);
  void* private_data;
};

struct ArrowArray {
  int64_t length, null_count, offset, n_buffers, n_children;
  const void** buffers;
  ArrowArray **children, *dictionary;
  void (*release)(ArrowArray*);
  void* private_data;
};

template <class T>
const T& held(const nb::capsule& capsule, const char* name) {
  if (!capsule.name() || std::strcmp(capsule.name(), name) != 0)
    throw std::invalid_argument(std::string("a capsule '") + name + "' is required");
  return *static_cast<const T*>(capsule.data());
}

bool four_bytes_each(const ArrowSchema& schema, const ArrowArray& array) {
  return std::strcmp(schema.format, "+w:4") == 0 && schema.n_children == 1 && array.n_children == 1 &&
         std::strcmp(schema.children[0]->format, "C") == 0 && array.offset == 0 && array.children[0]->offset == 0 &&
         array.children[0]->n_buffers == 2;
}

// The pixels (height, width, 3), of which each is followed by a byte that is not shown; they live as long as the array.
nb::ndarray<nb::numpy, const uint8_t, nb::ndim<3>> view_of_arrow(const nb::capsule& schema, const nb::capsule& array,
                                                                std::tuple<size_t, size_t> size) {
  const auto& pixels = held<ArrowArray>(array, "arrow_array");
  if (!four_bytes_each(held<ArrowSchema>(schema, "arrow_schema"), pixels))
    throw std::invalid_argument("the picture must have four bytes a pixel");
  const auto [height, width] = size;
  if (size_t(pixels.length) != height * width)
    throw std::invalid_argument("the picture has " + std::to_string(pixels.length) + " pixels");
  return {pixels.children[0]->buffers[1], {height, width, 3}, array, {int64_t(4 * width), 4, 1}};
}

}  // namespace

void bind_arrow(nb::module_& m) {
  m.def("view_of_arrow", &view_of_arrow, nb::arg("schema"), nb::arg("array"), nb::arg("size"),
        "Show the pixels of a picture of four bytes a pixel, given by its two Arrow capsules, as (height, width, 3).");
}

}  // namespace underone
