// Depthwise windows of bfloat16 cells in float32 arithmetic, for processors that round to bfloat16 by an instruction.
#pragma once
#include "cells.h"

namespace underone::rounding {

bool has_depthwise(const Window& window);
// As Arithmetic::depthwise.
void depthwise(const Packed& packed, const Window& window, Rows in, Rows out, int first, int last, int rows, int width, float low, float high);

}  // namespace underone::rounding
