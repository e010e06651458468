// Dense convolution straight from a map, without an operand: the sums of some pixels and one panel of output channels
// stay in registers while all taps and input channels pass.
#pragma once
#include "cells.h"

namespace underone {

// A tap that meets the image: where it stands from the first tap, in cells, and where its weights begin.
struct Tap {
  long offset;
  const float* weight;  // [blocks][16][panel]
};

struct DirectTile {
  const char* in;        // the first tap of the first pixel
  size_t row, block;     // of the input, in cells: to the next output row's tap, to the next block
  const Tap* taps;
  int tap_count, blocks;
  const float* bias;     // of the panel
  float low, high;
  char* out;             // the first pixel
  const char* added;     // null, or like `out`
  size_t out_row, out_block, out_pixel;  // in bytes
};

// One register tile: a number of rows and of pixels in each.
using DirectKernel = void (*)(const DirectTile& tile);

struct DirectKernels {
  int widest;            // pixels of a tile, over all its rows
  int panel;             // output channels of a panel: two cells, or one; the last panel may be one cell wide
  // Null for what there is none: strides up to 2, two rows of few pixels.
  DirectKernel (*find)(int rows, int pixels, int stride, int panel);
};

#define UNDERONE_DIRECT(isa) \
  namespace isa { extern const DirectKernels direct_kernels; }
UNDERONE_DIRECT(avx2)
UNDERONE_DIRECT(avx512)
UNDERONE_DIRECT(neon)

}  // namespace underone
