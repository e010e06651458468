#include "bindings.h"

namespace underone {
void bind_nms(nanobind::module_&) {}
}  // namespace underone
