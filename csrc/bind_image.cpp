// Preparation of pictures for Python: arrays are checked here.
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

#include <stdexcept>
#include <tuple>

#include "bindings.h"
#include "image.h"

namespace nb = nanobind;

namespace underone {
namespace {

using Picture = nb::ndarray<const uint8_t, nb::device::cpu>;
using Tables = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Output = nb::ndarray<float, nb::ndim<4>, nb::c_contig, nb::device::cpu>;
using Bytes = nb::ndarray<uint8_t, nb::shape<3, -1, -1>, nb::c_contig, nb::device::cpu>;
using Pair = std::tuple<int64_t, int64_t>;

Pixels pixels_of(const Picture& array) {
  const bool colour = array.ndim() == 3;
  if (array.size() == 0 || (array.ndim() != 2 && (!colour || array.shape(2) != 3)))
    throw std::invalid_argument("the picture must be (H, W, 3) or (H, W), and not empty");
  return {array.data(), int64_t(array.shape(0)), int64_t(array.shape(1)), colour, array.stride(0), array.stride(1), colour ? array.stride(2) : 0};
}

Input input_of(const Output& out, int channels, bool channels_last) {
  if (out.shape(0) != 1 || int64_t(out.shape(channels_last ? 3 : 1)) != channels || out.size() == 0)
    throw std::invalid_argument("the output must hold one picture with " + std::to_string(channels) + " channels");
  return {out.data(), int64_t(out.shape(channels_last ? 1 : 2)), int64_t(out.shape(channels_last ? 2 : 3)), channels_last};
}

void prepare_array(const Picture& pixels, const Output& out, Pair resized, Pair origin, const std::string& interpolation,
                   bool columns_first, const Tables& tables, const std::string& color, bool channels_last, const std::string& isa) {
  const Pixels from = pixels_of(pixels);
  const int channels = channels_of(color);
  const Input to = input_of(out, channels, channels_last);
  if (int64_t(tables.shape(0)) != channels || tables.shape(1) != 256)
    throw std::invalid_argument("the tables must be (" + std::to_string(channels) + ", 256)");
  const auto [height, width] = resized;
  const auto [top, left] = origin;
  const nb::gil_scoped_release release;
  prepare(from, to, {height, width, top, left, interpolation, columns_first, color, tables.data()}, isa);
}

void resize_array(const Picture& pixels, const Bytes& out, bool mirrored, bool columns_first, const std::string& isa) {
  const Pixels from = pixels_of(pixels);
  if (out.size() == 0) throw std::invalid_argument("the output must not be empty");
  const Resized to{out.data(), int64_t(out.shape(1)), int64_t(out.shape(2)), mirrored};
  const nb::gil_scoped_release release;
  resize(from, to, columns_first, isa);
}

}  // namespace

void bind_image(nb::module_& m) {
  m.def("prepare", &prepare_array, nb::arg("pixels"), nb::arg("out").noconvert(), nb::kw_only(), nb::arg("resized"),
        nb::arg("origin"), nb::arg("interpolation"), nb::arg("columns_first"), nb::arg("tables"), nb::arg("color"),
        nb::arg("channels_last"), nb::arg("isa"),
        "Resize a picture to `resized`, cut `out` from it at `origin` and look each byte up in `tables`.");
  m.def("resize", &resize_array, nb::arg("pixels"), nb::arg("out").noconvert(), nb::kw_only(), nb::arg("mirrored"),
        nb::arg("columns_first"), nb::arg("isa"), "Resize a picture to `out`, as bytes, channels first.");
}

}  // namespace underone
