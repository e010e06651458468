// Inner loops over rows of cells, beside those of Arithmetic: one table for each format and instruction set.
#pragma once
#include <cstdint>

#include "cells.h"

namespace underone {

// The input positions under a window at one output position: from, from + dilation, …; share: 1 / what counts of it.
struct Taps {
  int from, count;
  float share;
};

// Two input positions and the weight of the second.
struct Sample {
  int first, second;
  float weight;
};

// Output positions [start, start + count) that lie between the same two input positions.
struct Stretch {
  int first, second, start, count;
};

// Lanes of an output cell that come from one input cell.
struct Pick {
  const char* from;          // the cell at x = 0
  alignas(64) uint8_t index[64];  // of each lane, in the width of a lane: which lane of the input
  alignas(64) uint8_t mask[64];   // all bits of the lanes that are taken
};

struct CellLoops {
  // The largest or the average of `count` rows, each given by its cell at x = 0, under windows of the taps.
  void (*pool)(bool average, const char* const* rows, int count, float share, const Taps* taps, int dilation, int width, char* out);
  // Between two rows, `weight` of the second, and between two pixels of each.
  void (*sample)(const char* first, const char* second, float weight, const Sample* samples, int width, char* out);
  // The sum of the picks of every pixel.
  void (*pick)(const Pick* picks, int count, int width, char* out);
  void (*pick_bytes)(const Pick* picks, int count, int width, char* out);
  // finish(factor * x + shift); factors and shifts of the cell's channels in their own order.
  void (*affine)(const Finish& finish, const char* in, const float* factor, const float* shift, int width, char* out);
  // Pixels side by side as out[width][channels]; `block` bytes from a block of channels to the next.
  void (*channels_last)(const char* in, size_t block, int channels, int width, float* out);

  // The same for both formats, float32:
  // out[i][j] = factor * in[i * row + j * column], rows of `width` floats, zeros behind `columns`.
  void (*pack)(const float* in, size_t row, size_t column, int rows, int columns, float factor, float* out, int width);
  // Rows of a matrix as cells: [columns / 16][stride], zeros behind the last column.
  void (*gather)(const float* in, size_t row, size_t column, int rows, int columns, char* out, int stride);
  void (*finish)(const Finish& finish, float* values, int count);
  void (*softmax)(float* values, size_t stride, int rows, int columns);
  // The map with the greatest value at each output position of a row that lies between two rows of the maps, `weight` of the
  // second; at equal values the first one; values are not NaN. A row of a map has `width` floats, the next map's
  // begins `plane` floats on. 16 weights are readable behind the last; `between` holds (maps + 1) rows of `width` rounded up
  // to 16, and `out` 16 more than there are positions.
  void (*greatest)(const float* first, const float* second, float weight, size_t plane, int maps, int width, const Stretch* stretches, int count, const float* weights, float* between, int32_t* out);
};

#define UNDERONE_CELL_LOOPS(isa) \
  namespace isa {                \
  extern const CellLoops float32_loops, bfloat16_loops; \
  }
UNDERONE_CELL_LOOPS(avx2)
UNDERONE_CELL_LOOPS(avx512)
UNDERONE_CELL_LOOPS(neon)

}  // namespace underone
