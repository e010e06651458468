// Preparation of pictures for Python: arrays are checked here.
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

#include <array>
#include <cstdlib>
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

Preparation preparation_of(Pair resized, Pair origin, const std::string& interpolation, bool columns_first, const Tables& tables,
                           const std::string& color) {
  const int channels = channels_of(color);
  if (int64_t(tables.shape(0)) != channels || tables.shape(1) != 256)
    throw std::invalid_argument("the tables must be (" + std::to_string(channels) + ", 256)");
  const auto [height, width] = resized;
  const auto [top, left] = origin;
  return {height, width, top, left, interpolation, columns_first, color, tables.data()};
}

void prepare_array(const Picture& pixels, const Output& out, Pair resized, Pair origin, const std::string& interpolation,
                   bool columns_first, const Tables& tables, const std::string& color, bool channels_last, const std::string& isa) {
  const Pixels from = pixels_of(pixels);
  const Input to = input_of(out, channels_of(color), channels_last);
  const Preparation how = preparation_of(resized, origin, interpolation, columns_first, tables, color);
  const nb::gil_scoped_release release;
  prepare(from, to, how, isa);
}

using Luma = nb::ndarray<const uint8_t, nb::ndim<2>, nb::device::cpu>;
using Factors = std::array<int16_t, 6>;  // of Colours, in its order

// Chroma planes may be every second byte of one piece of memory.
Video video_of(const Luma& luma, const Luma& blue, const Luma& red, const Factors& factors) {
  const auto half = [](size_t side) { return (side + 1) / 2; };
  for (const Luma* chroma : {&blue, &red})
    if (luma.size() == 0 || chroma->shape(0) != half(luma.shape(0)) || chroma->shape(1) != half(luma.shape(1)))
      throw std::invalid_argument("the chroma must have half the rows and columns of the luma, and not be empty");
  const bool apart = blue.stride(1) == 1, pairs = blue.stride(1) == 2 && std::abs(red.data() - blue.data()) == 1;
  if (luma.stride(1) != 1 || blue.stride(0) != red.stride(0) || blue.stride(1) != red.stride(1) || !(apart || pairs))
    throw std::invalid_argument("the luma must lie without gaps in its rows, both chroma planes too or in pairs");
  const auto [black, light, of_red, green_of_red, green_of_blue, of_blue] = factors;
  return {luma.data(), blue.data(), red.data(), int64_t(luma.shape(0)), int64_t(luma.shape(1)), luma.stride(0), blue.stride(0),
          blue.stride(1), {black, light, of_red, green_of_red, green_of_blue, of_blue}, false};
}

void prepare_planes(const Luma& luma, const Luma& blue, const Luma& red, const Output& out, const Factors& factors, Pair resized,
                    Pair origin, const std::string& interpolation, bool columns_first, const Tables& tables,
                    const std::string& color, bool channels_last, const std::string& isa) {
  const Video from = video_of(luma, blue, red, factors);
  const Input to = input_of(out, channels_of(color), channels_last);
  const Preparation how = preparation_of(resized, origin, interpolation, columns_first, tables, color);
  const nb::gil_scoped_release release;
  prepare(from, to, how, isa);
}

void planes_to_rgb(const Luma& luma, const Luma& blue, const Luma& red, const nb::ndarray<uint8_t, nb::shape<-1, -1, 3>, nb::c_contig, nb::device::cpu>& out,
                   const Factors& factors, const std::string& isa) {
  const Video from = video_of(luma, blue, red, factors);
  if (int64_t(out.shape(0)) != from.height || int64_t(out.shape(1)) != from.width)
    throw std::invalid_argument("the output must have the size of the luma");
  const nb::gil_scoped_release release;
  to_rgb(from, out.data(), isa);
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
  m.def("prepare_planes", &prepare_planes, nb::arg("luma"), nb::arg("blue"), nb::arg("red"), nb::arg("out").noconvert(), nb::kw_only(),
        nb::arg("factors"), nb::arg("resized"), nb::arg("origin"), nb::arg("interpolation"), nb::arg("columns_first"),
        nb::arg("tables"), nb::arg("color"), nb::arg("channels_last"), nb::arg("isa"),
        "Do what `prepare` does from the planes of a frame; `factors` say how they become colours.");
  m.def("planes_to_rgb", &planes_to_rgb, nb::arg("luma"), nb::arg("blue"), nb::arg("red"), nb::arg("out").noconvert(), nb::kw_only(),
        nb::arg("factors"), nb::arg("isa"), "Turn the planes of a frame into (height, width, 3) RGB.");
  m.def("resize", &resize_array, nb::arg("pixels"), nb::arg("out").noconvert(), nb::kw_only(), nb::arg("mirrored"),
        nb::arg("columns_first"), nb::arg("isa"), "Resize a picture to `out`, as bytes, channels first.");
}

}  // namespace underone
