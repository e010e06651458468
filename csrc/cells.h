// Feature maps in cells, and what can be computed on them.
//
// A cell is 64 bytes: 16 float32, 32 bfloat16 or 64 quantised channels (bytes.h) of one pixel. A map is [C/lanes][(H+2p)(W+2p) + 1] cells: a zero
// border of p pixels, which its readers need, and one spare cell per block, which swallows the surplus of register tiles.
// Channels that fill up the last block hold finite numbers that meet zero weights.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "memory.h"

namespace underone {

constexpr int kCell = 64;
constexpr int kByteLanes = 64;  // of quantised maps

inline int ceil_div(int a, int b) { return (a + b - 1) / b; }

struct Map {
  int channels = 0, height = 0, width = 0, pad = 0, lanes = 16;
  char* data = nullptr;
  int blocks() const { return ceil_div(channels, lanes); }
  int pitch() const { return width + 2 * pad; }
  int pixels() const { return (height + 2 * pad) * pitch() + 1; }
  int spare() const { return pixels() - 1; }
  int place(int y, int x) const { return (y + pad) * pitch() + x + pad; }
  size_t bytes() const { return size_t(blocks()) * pixels() * kCell; }
};

// Rows of pixels somewhere in memory, in cells: blocks of channels, rows in a block, pixels side by side.
struct Rows {
  char* data;
  size_t block, row;
};
inline Rows rows_of(const Map& m, int y, int x = 0) { return {m.data + size_t(m.place(y, x)) * kCell, size_t(m.pixels()), size_t(m.pitch())}; }

enum class Function { none, relu, sigmoid, silu, hardsigmoid, hardswish, tanh, gelu, table };

// What happens to a result before it is stored: a function, or bounds.
struct Finish {
  float low = -INFINITY, high = INFINITY;
  Function function = Function::none;
  float alpha = 1.0f / 6, beta = 0.5f;  // of hardsigmoid
  std::shared_ptr<const std::vector<uint8_t>> table = nullptr;  // of bytes: 256 results
};

struct Window {
  int height = 1, width = 1, stride_y = 1, stride_x = 1, dilation_y = 1, dilation_x = 1;
  int top = 0, left = 0, bottom = 0, right = 0;  // padding
  int taps() const { return height * width; }
  int reach_y() const { return (height - 1) * dilation_y + 1; }
  int reach_x() const { return (width - 1) * dilation_x + 1; }
};

// Taps of a row, filled up so that whole rows make up a cell, where that is possible.
inline int row_taps(const Window& w, int lanes) {
  int taps = 4;
  while (taps < w.width) taps *= 2;
  return taps <= lanes ? taps : w.width;
}

// How numbers become bytes: round(x / step) + zero, within [low, high].
struct Quantum {
  float step = 1;
  int zero = 0, low = 0, high = 255;
  float reciprocal = 1 / step;  // correctly rounded
};

// a + b or a * b, each dequantised, quantised anew.
struct Sum {
  Quantum a, b, out;
  bool fits() const { return 255 * (a.step + b.step) < 1000 * out.step; }  // a sum: quantising it needs no bounds
};

// Weights as the file has them: float32; or int8 and int32, with what turns each output channel's sum into a byte.
struct Layer {
  const void *weight = nullptr, *bias = nullptr;
  std::vector<float> factors = {};
  int zero = 0;
  const float* floats() const { return static_cast<const float*>(weight); }
  const float* float_bias() const { return static_cast<const float*>(bias); }
};

// Weights in the order that a kernel reads them.
struct Packed {
  const char* weight = nullptr;
  const float* bias = nullptr;    // int32 of quantised layers
  int in = 0, out = 0, panel = 0;
  const float* factor = nullptr;  // of quantised layers: one for each output channel (bytes.h), and the zero of the result
  int zero = 0;
  bool lifted = false;            // of quantised layers: sums begin at kLift
};

// Memory for weights, given out once, in order; on huge pages. Zeroed.
class WeightArena {
 public:
  char* take(size_t bytes);
  size_t used() const { return used_; }

 private:
  std::vector<Storage> chunks;
  size_t left = 0, used_ = 0;
  char* next = nullptr;
};

// out[place[p]] = finish(weight * operand[p] + bias + added[place[p]]) for all pixels p and output panels [first, last).
struct Product {
  const char* operand;    // [K/lanes][stride] cells; whole register tiles of pixels are read
  int stride;
  int pixels;
  const Packed* packed;
  const int* place;       // as many as the pixels rounded up; those behind name the spare cell
  float low, high;
  char* out;              // [N/lanes][out_pixels] cells
  int out_pixels;
  const char* added;      // a map of the same geometry, or null
  int first, last;        // range of panels
  char* scratch;
  const Sum* sum = nullptr;  // how a quantised map is added
};

struct CellLoops;      // cell_loops.h
struct DirectKernels;  // direct.h

// The pixels under every tap, as an operand: [taps * blocks][stride] cells, taps outermost. `in` stands at the first tap.
void unfold(const Window& window, Rows in, int blocks, int rows, int width, char* operand, int stride);

// What a chain is made of, in one precision on one instruction set. Nothing here allocates or throws but the packing.
class Convolutions {
 public:
  virtual ~Convolutions() = default;
  int lanes = 16;

  // weight (out, in) row-major, bias (out) or null. For a dense window: (out, taps * in), `in` rounded up to lanes.
  virtual Packed pack_product(WeightArena& arena, const Layer& layer, int out, int in) const = 0;
  virtual int panels(const Packed& packed) const = 0;
  virtual int tile_pixels(const Packed& packed) const = 0;                // best multiple of pixels for one call
  virtual int round_up(int pixels) const = 0;                             // pixels that are read and placed
  virtual size_t product_scratch(const Packed& packed, int pixels) const = 0;
  virtual size_t operand_bytes() const = 0;                               // how large an operand is best
  virtual void product(const Product& call) const = 0;

  // Dense 3x3 stride 2 of 3 channels from planar float32: the image is prepared by rows [first, last) of 2 * out_height + 1,
  // quantised where its map is, then output rows [y, y + rows) are made. weight (out, 27).
  virtual bool has_stem(const Window& window, int channels, int out_width) const = 0;
  virtual size_t image_bytes(int out_height, int out_width) const = 0;
  virtual void prepare_image(const Window& window, const float* planar, int height, int width, int out_height, int out_width, const Quantum& quantum, char* image, int first, int last) const = 0;
  virtual Packed pack_stem(WeightArena& arena, const Layer& layer, int out) const = 0;
  virtual void stem(const Packed& packed, const char* image, int out_height, int out_width, int y, int rows, float low, float high, Rows out) const = 0;

  // weight (channels, taps)
  virtual Packed pack_depthwise(WeightArena& arena, const Layer& layer, int channels, const Window& window) const = 0;
  // `in` stands at the first tap of the first output pixel; blocks [first, last).
  virtual void depthwise(const Packed& packed, const Window& window, Rows in, Rows out, int first, int last, int rows, int width, float low, float high) const = 0;

  virtual void activate(const Finish& finish, Rows rows, int blocks, int height, int width) const = 0;
};

// All other arithmetic of float32 and bfloat16.
class Arithmetic : public Convolutions {
 public:
  virtual const CellLoops& loops() const = 0;
  virtual const DirectKernels* direct() const = 0;  // of float32

  // What `unfold` gives from planar float32 (C, H, W), K = (channel, tap row, tap of row_taps), for few channels; y0 is the first
  // output row.
  virtual void unfold_planar(const Window& window, const float* image, int channels, int height, int width, int y0, int rows, int out_width, char* operand, int stride) const = 0;

  virtual void load(const float* planar, int channels, int height, int width, Rows out, int first, int last) const = 0;
  virtual void store(Rows in, float* planar, int channels, int height, int width, int first, int last) const = 0;
  virtual void add(const Finish& finish, Rows a, Rows b, Rows out, int blocks, int height, int width) const = 0;
  virtual void scale(const Finish& finish, Rows a, const float* factors, Rows out, int first, int last, int channels, int height, int width) const = 0;
  virtual void mean(Rows in, float* out, int first, int last, int channels, int height, int width) const = 0;

  virtual Packed pack_linear(WeightArena& arena, const float* weight, const float* bias, int out, int in) const = 0;
  // y[16 * first …) of y = finish(weight x + bias), 16 outputs a block.
  virtual void linear(const Packed& packed, const Finish& finish, const float* x, float* y, int first, int last) const = 0;
};

// Throws Unsupported when the precision is unknown.
const Arithmetic& arithmetic(const std::string& isa, const std::string& precision);

// What bfloat16 is multiplied by: AMX tiles, vdpbf16ps, or float32 multiply-adds.
enum class Products { tiles, dots, floats };

#define UNDERONE_ARITHMETIC(isa)        \
  namespace isa {                       \
  const Arithmetic& float32();          \
  const Arithmetic& bfloat16(Products products); \
  }
UNDERONE_ARITHMETIC(avx2)
UNDERONE_ARITHMETIC(avx512)
UNDERONE_ARITHMETIC(neon)

}  // namespace underone
