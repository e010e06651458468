#include "bindings.h"

namespace underone {
void bind_image(nanobind::module_&) {}
}  // namespace underone
