// Every part of the module adds its own names.
#pragma once
#include <nanobind/nanobind.h>

namespace underone {
void bind_machine(nanobind::module_& m);
void bind_plan(nanobind::module_& m);
void bind_image(nanobind::module_& m);
void bind_arrow(nanobind::module_& m);
void bind_nms(nanobind::module_& m);
void bind_label_map(nanobind::module_& m);
void bind_window_moments(nanobind::module_& m);
}  // namespace underone
