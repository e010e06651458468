// nms for Python.
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <optional>
#include <stdexcept>
#include <utility>

#include "bindings.h"
#include "nms.h"

namespace nb = nanobind;

namespace underone {
namespace {

using Boxes = nb::ndarray<const float, nb::shape<-1, 4>, nb::c_contig, nb::device::cpu>;
using Scores = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Classes = nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

using Indices = nb::ndarray<nb::numpy, int64_t, nb::ndim<1>>;

Indices to_numpy(std::vector<int64_t>&& values) {
  auto* kept = new std::vector<int64_t>(std::move(values));
  const nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<int64_t>*>(p); });
  return Indices(kept->data(), {kept->size()}, owner);
}

Indices nms(const Boxes& boxes, const Scores& scores, double iou_threshold, const std::optional<Classes>& class_ids,
            std::optional<int64_t> max_outputs) {
  const size_t count = boxes.shape(0);
  if (scores.shape(0) != count || (class_ids && class_ids->shape(0) != count))
    throw std::invalid_argument("there must be one score and, if any, one class for each box");
  if (!(iou_threshold >= 0 && iou_threshold <= 1)) throw std::invalid_argument("0 <= iou_threshold <= 1 is required");
  if (max_outputs && *max_outputs < 0) throw std::invalid_argument("max_outputs must not be negative");
  std::vector<int64_t> result;
  {
    const nb::gil_scoped_release release;
    result = suppress(boxes.data(), scores.data(), class_ids ? class_ids->data() : nullptr, int64_t(count), iou_threshold,
                      max_outputs ? size_t(*max_outputs) : count);
  }
  return to_numpy(std::move(result));
}

}  // namespace

void bind_nms(nb::module_& m) {
  m.def("nms", &nms, nb::arg("boxes").noconvert(), nb::arg("scores").noconvert(), nb::arg("iou_threshold"),
        nb::arg("class_ids").noconvert().none() = nb::none(), nb::arg("max_outputs").none() = nb::none(),
        "Indices of the boxes (N, 4) x1 y1 x2 y2 that no better box of their class overlaps by more than the threshold.");
}

}  // namespace underone
