// Quantised maps: cells of 64 bytes, one for each channel. A byte stands for (byte - zero) * step; int8 tensors are held
// shifted by 128. A map's border holds its zero.
#pragma once
#include "cells.h"

namespace underone {

// Inner loops on quantised cells: one table for each instruction set.
struct ByteLoops {
  void (*quantize)(const float* x, int count, const Quantum& q, uint8_t* out);
  // Three planes into pixels of 4 bytes.
  void (*interleave)(const float* planes, size_t plane, int count, const Quantum& q, uint32_t* out);
  void (*add)(const Sum& sum, const char* a, const char* b, int cells, char* out);
  // All cells of a times the one of b.
  void (*scale)(const Sum& product, const char* a, const char* b, int cells, char* out);
  // The mean of a block's channels over so many rows of cells, into one cell.
  void (*mean)(const char* in, size_t row, int height, int width, const Quantum& from, const Quantum& to, char* out);
};

constexpr int kStemBlock = 12 * 256;

// Of a 3x3 window of stride 1 a second set of weights stands one row lower: for the next output row, on the same four rows.
inline int sets_of(const Window& w) { return w.height == 3 && w.width == 3 && w.stride_y == 1 ? 2 : 1; }

// Where sums begin that are read as float32 (bytes_simd.h): the bits of 2^23.
constexpr int32_t kLift = 0x4B000000;

// The kernels of one instruction set. Weights: [N/64][K/64][4 tiles][16][16 sums][4]; sums in the order of bytes_simd.h.
// Factors: [N/64][64 of the sums, 64 times -2^23].
struct ByteKernels {
  void (*product)(const Product& call);
  // Image of 4 bytes a pixel, [2 * rows + 1][pitch] pixels; weight [N/64][3 columns][4][4 tiles][16 sums][4]: three rows and
  // one of zeroes.
  void (*stem)(const Packed& packed, const char* image, int pitch, int rows, int width, float low, float high, Rows out);
  // Weight [blocks][sets_of][ceil(height / 4)][width][4 tiles][16 sums][4]: four rows of a column at a time.
  void (*depthwise)(const Packed& packed, const Window& window, Rows in, Rows out, int first, int last, int rows, int width, float low, float high);
  int offset;        // what operands are lowered by; the biases make up for it
  int tile_pixels;
};

#define UNDERONE_BYTES(isa)                \
  namespace isa {                          \
  extern const ByteKernels byte_kernels;   \
  extern const ByteLoops byte_loops;       \
  }
UNDERONE_BYTES(avx2)
UNDERONE_BYTES(vnni)
UNDERONE_BYTES(neon)

// Products and the stem on AMX tiles, from the same weights.
namespace amx {
void product_bytes(const Product& call);
void stem_bytes(const Packed& packed, const char* image, int pitch, int rows, int width, float low, float high, Rows out);
}  // namespace amx

// The arithmetic of quantised maps, and loops that are no convolutions.
struct Bytes {
  const Convolutions& convolutions;
  const ByteLoops& loops;
};
const Bytes& bytes_of(const std::string& isa);

}  // namespace underone
