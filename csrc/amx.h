// Matrix products on AMX tiles: bfloat16 operands, float32 sums, bfloat16 result. One of the hand-written kernels.
#pragma once
#include <cstddef>
#include <cstdint>

#include "cells.h"

namespace underone::amx {

// Weight [N/32][K/32][2][16][16][2], bias [N]; the operand's pixels are rounded up to 16.
void product(const Product& call);

// Dense 3x3 stride 2 over rows [0, rows) of an interleaved image: [2 * rows + 1][pitch] bfloat16, pixels of 3 channels.
// Weight [N/16][3][5][16][2] with k = 3 dx + channel, bias [N].
void stem(const uint16_t* image, int pitch, int rows, int width, const Packed& packed, float low, float high, Rows out);

}  // namespace underone::amx
