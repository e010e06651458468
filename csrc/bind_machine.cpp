// What this processor has, and what it can do at best, for Python.
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"
#include "machine.h"
#include "peak.h"

namespace nb = nanobind;

namespace underone {

void bind_machine(nb::module_& m) {
  m.def("isas", [] { return isas(); }, "Instruction sets that this processor has, the best first.");
  m.def("has_amx", &has_amx, "Whether AMX tiles multiply bfloat16 on this processor.");
  m.def("has_dots", &has_dots, "Whether the processor multiplies pairs of bfloat16 (vdpbf16ps).");
  m.def("has_fast_dots", &has_fast_dots, "Whether it does so faster than float32; measured the first time.");
  m.def("peak", &peak, nb::arg("isa"), nb::arg("seconds"), nb::call_guard<nb::gil_scoped_release>(),
        "Floating-point operations a second of float32 multiply-adds in registers, on the calling thread.");
}

}  // namespace underone
