// label_map for Python.
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "bindings.h"
#include "label_map.h"

namespace nb = nanobind;

namespace underone {
namespace {

using Maps = nb::ndarray<const float, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using Before = nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Share = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T>
using Labels = nb::ndarray<T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

std::vector<Sample> samples_of(const Before& before, const Share& share, size_t outputs, size_t points) {
  if (before.shape(0) != outputs || share.shape(0) != outputs)
    throw std::invalid_argument("there must be one place and one share for each row and column of the labels");
  std::vector<Sample> samples;
  for (size_t i = 0; i < outputs; i++) {
    const int64_t at = before(i);
    if (at < 0 || size_t(at) >= points) throw std::invalid_argument("a place lies outside the maps");
    samples.push_back({int(at), int(std::min(size_t(at) + 1, points - 1)), share(i)});
  }
  return samples;
}

template <class T>
void label_map(const Maps& maps, const Labels<T>& out, const Before& rows, const Share& row_shares, const Before& columns, const Share& column_shares, const std::string& isa) {
  constexpr size_t most = 1 << 20;  // of a size
  for (size_t size : {maps.shape(0), maps.shape(1), maps.shape(2), out.shape(0), out.shape(1)})
    if (size < 1 || size > most) throw std::invalid_argument("sizes of maps and labels from 1 to 1048576 are required");
  if (maps.shape(0) - 1 > size_t(std::numeric_limits<T>::max())) throw std::invalid_argument("the labels cannot hold so many classes");
  const CellLoops& loops = arithmetic(isa, "float32").loops();
  const LabelMap enlarged(int(maps.shape(0)), int(maps.shape(1)), int(maps.shape(2)), samples_of(rows, row_shares, out.shape(0), maps.shape(1)),
                          samples_of(columns, column_shares, out.shape(1), maps.shape(2)));
  const nb::gil_scoped_release release;
  const Storage scratch = allocate(enlarged.scratch());
  enlarged.run(loops, maps.data(), 0, enlarged.height(), scratch.get(), [&](int y, const int32_t* found) { std::copy_n(found, enlarged.width(), out.data() + size_t(y) * enlarged.width()); });
}

}  // namespace

void bind_label_map(nb::module_& m) {
  auto add = [&](auto function) {
    m.def("label_map", function, nb::arg("maps").noconvert(), nb::arg("out").noconvert(), nb::kw_only(), nb::arg("rows").noconvert(), nb::arg("row_shares").noconvert(),
          nb::arg("columns").noconvert(), nb::arg("column_shares").noconvert(), nb::arg("isa"),
          "Write the greatest of maps (C, h, w), enlarged bilinearly, into `out`; rows and columns lie `share` of the way behind a point.");
  };
  add(&label_map<uint8_t>);
  add(&label_map<int32_t>);
}

}  // namespace underone
