// Float32 products of one panel of output channels.
#pragma once
#include "cells.h"

namespace underone::UNDERONE_ISA {

// Output channels of the panels of a layer of so many blocks of 16, and the pixels that their sums in registers allow.
int panel_channels(int blocks);
// Channels of one panel of `out`: the last may be narrower than the others.
int panel_width(int out, int panel, int channels);
int panel_pixels(int channels);

// Floats that the sums of long products need between their parts.
size_t panel_sums(const Packed& packed, int pixels);

// The pixels of a product times one panel; `out` and `added` stand at its first channel.
void multiply_panel(const Product& call, int panel, float* out, const float* added, float* sums);

}  // namespace underone::UNDERONE_ISA
