// The arithmetic of float32 and bfloat16 cells for one instruction set: compiled Halide kernels where time is spent, plain
// loops over cells elsewhere.
#include <algorithm>
#include <cmath>
#include <type_traits>

#include "amx.h"
#include "cell_loops.h"
#include "cells.h"
#include "depthwise_bf16.h"
#include "direct.h"
#include "dots.h"
#include "halide_view.h"
#include "panels.h"
#include "vectors.h"

#define JOIN_(a, b) uo_##a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define KERNEL(name) JOIN(name, UNDERONE_ISA)

namespace underone::UNDERONE_ISA {

using DepthwiseKernel = int(Buffer image, Buffer weight, Buffer bias, float low, float high, Buffer out);

extern "C" {
DepthwiseKernel KERNEL(depthwise_3s1), KERNEL(depthwise_3s2), KERNEL(depthwise_5s1), KERNEL(depthwise_5s2);
DepthwiseKernel KERNEL(depthwise_bf16_3s1), KERNEL(depthwise_bf16_3s2);
DepthwiseKernel KERNEL(stem);
}

namespace {

const int* identity() {  // 0, 1, 2, …: sums in the order of the operand's pixels
  static const std::vector<int> numbers = [] {
    std::vector<int> v(1 << 16);
    for (size_t i = 0; i < v.size(); i++) v[i] = int(i);
    return v;
  }();
  return numbers.data();
}

// `lanes`: what the output channels are rounded up to.
Packed pack_panels(WeightArena& arena, const float* weight, const float* bias, int out, int in, int panel, int lanes = 16) {
  const int nb = ceil_div(ceil_div(out, 16) * 16, panel), k = ceil_div(in, 16) * 16;
  float* w = reinterpret_cast<float*>(arena.take(size_t(nb) * panel * k * 4));
  float* b = reinterpret_cast<float*>(arena.take(size_t(nb) * panel * 4));
  for (int n = 0; n < out; n++) {
    const int width = panel_width(ceil_div(out, lanes) * lanes, n / panel, panel);
    float* to = w + size_t(n / panel) * k * panel + n % panel;
    for (int i = 0; i < in; i++) to[size_t(i) * width] = weight[size_t(n) * in + i];
    if (bias) b[n] = bias[n];
  }
  return {reinterpret_cast<char*>(w), b, in, out, panel};
}

bool is_stem(const Window& w, int channels) {  // what nearly every mobile network begins with
  return channels == 3 && w.height == 3 && w.width == 3 && w.stride_y == 2 && w.stride_x == 2 && w.dilation_y == 1 && w.dilation_x == 1;
}

// The image of a stem in float32: planar, [3][rows][columns] with its zero border.
size_t planar_bytes(int out_height, int out_width) { return size_t(3) * (2 * out_height + 1) * (2 * out_width + 1) * 4; }

void prepare_planar(const Window& w, const float* planar, int height, int width, int out_height, int out_width, float* image, int first, int last) {
  const int rows = 2 * out_height + 1, columns = 2 * out_width + 1, from = w.left, count = std::min(width, columns - w.left);
  for (int c = 0; c < 3; c++)
    for (int y = first; y < last; y++) {
      float* to = image + (size_t(c) * rows + y) * columns;
      const int iy = y - w.top;
      if (iy < 0 || iy >= height) {
        std::fill(to, to + columns, 0.0f);
        continue;
      }
      std::fill(to, to + from, 0.0f);
      std::memcpy(to + from, planar + (size_t(c) * height + iy) * width, size_t(count) * 4);
      std::fill(to + from + count, to + columns, 0.0f);
    }
}

// weight (out, taps) -> [N/16][taps][16]; an even number of blocks, so that pairs of them fill cells of bfloat16.
Packed pack_taps(WeightArena& arena, const float* weight, const float* bias, int out, int taps) {
  const int blocks = ceil_div(out, 32) * 2;
  float* w = reinterpret_cast<float*>(arena.take(size_t(blocks) * taps * 64));
  float* b = reinterpret_cast<float*>(arena.take(size_t(blocks) * 64));
  for (int n = 0; n < out; n++) {
    for (int t = 0; t < taps; t++) w[(size_t(n / 16) * taps + t) * 16 + n % 16] = weight[size_t(n) * taps + t];
    if (bias) b[n] = bias[n];
  }
  return {reinterpret_cast<char*>(w), b, taps, out, 16};
}

void stem_f32(const Packed& packed, const char* image, int out_height, int out_width, int y, int rows, float low, float high, Rows out, int first = 0, int count = 0) {
  const int height = 2 * out_height + 1, columns = 2 * out_width + 1, blocks = count ? count : ceil_div(packed.out, 16);
  View<3> i(reinterpret_cast<const float*>(image) + size_t(2 * y) * columns, kFloat, {{columns, 1}, {2 * rows + 1, columns}, {3, columns * height}});
  View<3> w(reinterpret_cast<const float*>(packed.weight) + first * 432, kFloat, {{16, 1}, {27, 16}, {blocks, 432}});
  View<2> b(packed.bias + first * 16, kFloat, {{16, 1}, {blocks, 16}});
  View<4> o(out.data, kFloat, {{16, 1}, {out_width, 16}, {rows, int(16 * out.row)}, {blocks, int(16 * out.block)}});
  KERNEL(stem)(i, w, b, low, high, o);
}

#if defined(__AVX512F__)
constexpr int kTogether = 8;  // pixels whose sums stay in registers
#else
constexpr int kTogether = 4;
#endif

// Everything whose arithmetic is the same for both formats.
template <class Cell>
class Cells : public Arithmetic {
 public:
  static constexpr int parts = Cell::parts;
  using Element = std::conditional_t<parts == 1, float, uint16_t>;  // of a cell
  using Values = typename Cell::Values;

  Cells() { lanes = Cell::lanes; }

  const CellLoops& loops() const override { return parts == 1 ? float32_loops : bfloat16_loops; }

  const DirectKernels* direct() const override { return &direct_kernels; }

  int panels(const Packed& p) const override { return ceil_div(ceil_div(p.out, lanes) * lanes, p.panel); }

  Packed pack_depthwise(WeightArena& arena, const Layer& layer, int channels, const Window& window) const override {
    const float *weight = layer.floats(), *bias = layer.float_bias();
    const int taps = window.taps(), blocks = ceil_div(channels, lanes);
    float* w = reinterpret_cast<float*>(arena.take(size_t(blocks) * taps * lanes * 4));
    float* b = reinterpret_cast<float*>(arena.take(size_t(blocks) * lanes * 4));
    for (int c = 0; c < channels; c++) {
      const int lane = Cell::lane(c % lanes), block = c / lanes;
      for (int t = 0; t < taps; t++) w[(size_t(block) * taps + t) * lanes + lane] = weight[size_t(c) * taps + t];
      if (bias) b[block * lanes + lane] = bias[c];
    }
    return {reinterpret_cast<char*>(w), b, taps, channels, lanes};
  }

  // For windows that no kernel was compiled for, wide dilations above all.
  void depthwise_any(const Packed& packed, const Window& window, Rows in, Rows out, int first, int last, int rows, int width, float low, float high) const {
    for (int c = first; c < last; c++)
      for (int y = 0; y < rows; y++) {
        const char* from = in.data + (c * in.block + size_t(y) * window.stride_y * in.row) * kCell;
        char* to = out.data + (c * out.block + y * out.row) * kCell;
        int x = 0;
        for (; x + kTogether <= width; x += kTogether) depthwise_pixels<kTogether>(packed, window, c, from + size_t(x) * window.stride_x * kCell, in.row, to + size_t(x) * kCell, low, high);
        for (; x < width; x++) depthwise_pixels<1>(packed, window, c, from + size_t(x) * window.stride_x * kCell, in.row, to + size_t(x) * kCell, low, high);
      }
  }

  // Pixels side by side: their sums stay in registers, and each weight is read once.
  template <int kPixels>
  static void depthwise_pixels(const Packed& packed, const Window& window, int block, const char* in, size_t row, char* out, float low, float high) {
    const float* weight = reinterpret_cast<const float*>(packed.weight) + size_t(block) * window.taps() * Cell::lanes;
    Values sum[kPixels];  // every loop over it is unrolled, or it would lie in memory
#pragma GCC unroll 8
    for (int p = 0; p < kPixels; p++) sum[p] = Float(packed.bias + block * Cell::lanes);
    for (int i = 0; i < window.height; i++)
      for (int j = 0; j < window.width; j++, weight += Cell::lanes) {
        const char* at = in + (size_t(i) * window.dilation_y * row + size_t(j) * window.dilation_x) * kCell;
        const Values w = Float(weight);
#pragma GCC unroll 8
        for (int p = 0; p < kPixels; p++) {
          const Values pixel = Cell::load(at + size_t(p) * window.stride_x * kCell);
          for (int k = 0; k < parts; k++) sum[p].v[k] += w.v[k] * pixel.v[k];
        }
      }
    const Floats lowest = all(low), highest = all(high);
#pragma GCC unroll 8
    for (int p = 0; p < kPixels; p++) Cell::save(out + size_t(p) * kCell, each([&](Floats v) { return clamp(v, lowest, highest); }, sum[p]));
  }

  void unfold_planar(const Window& w, const float* image, int channels, int height, int width, int y0, int rows, int out_width, char* operand, int stride) const override {
    const int taps = row_taps(w, lanes), lines = lanes / taps, k_count = channels * w.height * taps;
    if (lines < 1 || lanes % taps || w.dilation_x > 1) return unfold_planar_any(w, image, channels, height, width, y0, rows, out_width, operand, stride);
    // output columns whose taps, the filling ones included, all lie inside
    const int first = std::min(out_width, ceil_div(w.left, w.stride_x)), reach = width - taps + w.left;
    const int last = reach < 0 ? first : std::max(first, std::min(out_width, reach / w.stride_x + 1));
    const auto copy = taps == 4 ? unfold_lines<4> : taps == 8 ? unfold_lines<8> : taps == 16 ? unfold_lines<16> : unfold_lines<Cell::lanes>;
    static const Element nothing[32] = {};
    static thread_local std::vector<Element> rounded;  // the lines that are read now; float32 is read where it is
    if (parts == 2) rounded.resize(size_t(lines) * (width + 32));
    for (int kb = 0; kb * lanes < k_count; kb++)
      for (int y = 0; y < rows; y++) {
        const Element *from[8], *inside[8];
        size_t step[8];
        for (int i = 0; i < lines; i++) {
          const int line = kb * lines + i, iy = (y0 + y) * w.stride_y - w.top + line % w.height * w.dilation_y;
          const bool met = line < channels * w.height && unsigned(iy) < unsigned(height);
          step[i] = met ? size_t(w.stride_x) : 0;
          const float* const row = met ? image + (size_t(line / w.height) * height + iy) * width : nullptr;
          if constexpr (parts == 1) from[i] = row;
          else from[i] = met ? round_line(row, width, rounded.data() + size_t(i) * (width + 32)) : nullptr;
          inside[i] = met ? from[i] + (long(first) * w.stride_x - w.left) : nothing;
        }
        char* to = operand + (size_t(kb) * stride + size_t(y) * out_width) * kCell;
        unfold_edge(w, from, taps, width, 0, first, to);
        copy(inside, step, last - first, to + size_t(first) * kCell);
        unfold_edge(w, from, taps, width, last, out_width, to);
      }
  }

  // Output columns [first, last) of some lines, with zeros for what lies outside.
  static void unfold_edge(const Window& w, const Element* const* from, int taps, int width, int first, int last, char* to) {
    for (int x = first; x < last; x++) {
      Element* const cell = reinterpret_cast<Element*>(to + size_t(x) * kCell);
      std::memset(cell, 0, kCell);
      for (int i = 0; i < Cell::lanes / taps; i++)
        for (int t = 0; from[i] && t < w.width; t++) {
          const int ix = x * w.stride_x - w.left + t;
          if (unsigned(ix) < unsigned(width)) cell[i * taps + t] = from[i][ix];
        }
    }
  }

  // Every pixel's cell is made of as many lines as fit, each `taps` floats from where it stands.
  template <size_t taps>
  static void unfold_lines(const Element* const* from, const size_t* step, int count, char* to) {
    for (size_t x = 0; x < size_t(count); x++, to += kCell)
      for (size_t i = 0; i < size_t(Cell::lanes) / taps; i++)
        std::memcpy(to + i * taps * sizeof(Element), from[i] + x * step[i], taps * sizeof(Element));
  }

  // A line of the image in bfloat16.
  static const uint16_t* round_line(const float* from, int width, uint16_t* to) {
    typedef uint16_t Halves __attribute__((vector_size(32)));
    for (int x = 0; x < width; x += 16) {
      alignas(64) float values[16] = {};
      std::memcpy(values, from + x, size_t(std::min(16, width - x)) * 4);
      const Halves h = __builtin_convertvector(Bfloat16::rounded(read(values)) >> 16, Halves);
      std::memcpy(to + x, &h, 32);
    }
    return to;
  }

  // Element by element: for dilations, and for windows wider than a cell.
  void unfold_planar_any(const Window& w, const float* image, int channels, int height, int width, int y0, int rows, int out_width, char* operand, int stride) const {
    const int taps = row_taps(w, lanes), k_count = channels * w.height * taps;
    for (int kb = 0; kb * lanes < k_count; kb++)
      for (int y = 0; y < rows; y++)
        for (int x = 0; x < out_width; x++) {
          alignas(64) float values[32] = {};
          for (int k = kb * lanes; k < std::min(k_count, (kb + 1) * lanes); k++) {
            const int line = k / taps, iy = (y0 + y) * w.stride_y - w.top + line % w.height * w.dilation_y;
            const int ix = x * w.stride_x - w.left + k % taps * w.dilation_x;
            if (k % taps < w.width && unsigned(iy) < unsigned(height) && unsigned(ix) < unsigned(width))
              values[k % lanes] = image[(size_t(line / w.height) * height + iy) * width + ix];
          }
          save_in_order(values, operand + (size_t(kb) * stride + size_t(y) * out_width + x) * kCell);
        }
  }

  // Floats in the order of the channels into a cell.
  static void save_in_order(const float* values, char* cell) {
    if constexpr (parts == 1) {
      write(cell, read(values));
    } else {
      typedef uint16_t Halves __attribute__((vector_size(32)));
      for (int i = 0; i < 2; i++) {
        const Halves h = __builtin_convertvector(Cell::rounded(read(values + 16 * i)) >> 16, Halves);
        std::memcpy(cell + 32 * i, &h, 32);
      }
    }
  }

  void load(const float* planar, int channels, int height, int width, Rows out, int first, int last) const override {
    for (int b = first; b < last; b++)
      for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
          alignas(64) float values[32] = {};
          for (int j = 0; j < std::min(lanes, channels - b * lanes); j++)
            values[Cell::lane(j)] = planar[(size_t(b * lanes + j) * height + y) * width + x];
          Cell::save(out.data + (b * out.block + y * out.row + x) * kCell, Float(values));
        }
  }

  void store(Rows in, float* planar, int channels, int height, int width, int first, int last) const override {
    for (int b = first; b < last; b++)
      for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
          alignas(64) float values[32];
          const Values v = Cell::load(in.data + (b * in.block + y * in.row + x) * kCell);
          for (int p = 0; p < parts; p++) write(values + 16 * p, v.v[p]);
          for (int j = 0; j < std::min(lanes, channels - b * lanes); j++)
            planar[(size_t(b * lanes + j) * height + y) * width + x] = values[Cell::lane(j)];
        }
  }

  void activate(const Finish& finish, Rows rows, int blocks, int height, int width) const override {
    with_function(finish, [&](auto f) {
      for_cells(rows, 0, blocks, height, width, [&](char* p, int, size_t, size_t) { Cell::save(p, each(f, Cell::load(p))); });
    });
  }

  void add(const Finish& finish, Rows a, Rows b, Rows out, int blocks, int height, int width) const override {
    with_function(finish, [&](auto f) {
      for_cells(out, 0, blocks, height, width, [&](char* p, int c, size_t y, size_t x) {
        Values u = Cell::load(a.data + (c * a.block + y * a.row + x) * kCell);
        const Values v = Cell::load(b.data + (c * b.block + y * b.row + x) * kCell);
        for (int i = 0; i < parts; i++) u.v[i] += v.v[i];
        Cell::save(p, each(f, u));
      });
    });
  }

  void scale(const Finish& finish, Rows a, const float* factors, Rows out, int first, int last, int channels, int height, int width) const override {
    for (int c = first; c < last; c++) {
      alignas(64) float values[32] = {};
      for (int j = 0; j < std::min(lanes, channels - c * lanes); j++) values[Cell::lane(j)] = factors[c * lanes + j];
      const Values by = Float(values);
      with_function(finish, [&](auto f) {
        for_cells(out, c, c + 1, height, width, [&](char* p, int, size_t y, size_t x) {
          Values u = Cell::load(a.data + (c * a.block + y * a.row + x) * kCell);
          for (int i = 0; i < parts; i++) u.v[i] *= by.v[i];
          Cell::save(p, each(f, u));
        });
      });
    }
  }

  void mean(Rows in, float* out, int first, int last, int channels, int height, int width) const override {
    for (int c = first; c < last; c++) {
      Values sum{};
      for (int y = 0; y < height; y++) {
        Values row{};
        for (int x = 0; x < width; x++) {
          const Values v = Cell::load(in.data + (c * in.block + y * in.row + x) * kCell);
          for (int i = 0; i < parts; i++) row.v[i] += v.v[i];
        }
        for (int i = 0; i < parts; i++) sum.v[i] += row.v[i];
      }
      alignas(64) float values[32];
      for (int i = 0; i < parts; i++) write(values + 16 * i, sum.v[i] / float(height * width));
      for (int j = 0; j < std::min(lanes, channels - c * lanes); j++) out[c * lanes + j] = values[Cell::lane(j)];
    }
  }

 protected:
  static Values Float(const float* p) {
    Values v;
    for (int i = 0; i < parts; i++) v.v[i] = read(p + 16 * i);
    return v;
  }
  template <class F>
  static Values each(F f, Values v) {
    for (int i = 0; i < parts; i++) v.v[i] = f(v.v[i]);
    return v;
  }
  template <class F>
  static void for_cells(Rows rows, int first, int last, int height, int width, F f) {
    for (int c = first; c < last; c++)
      for (int y = 0; y < height; y++) {
        char* p = rows.data + (c * rows.block + size_t(y) * rows.row) * kCell;
        for (int x = 0; x < width; x++, p += kCell) f(p, c, size_t(y), size_t(x));
      }
  }
};

class Float32Cells final : public Cells<Float32> {
 public:
  Packed pack_product(WeightArena& arena, const Layer& layer, int out, int in) const override {
    return pack_panels(arena, layer.floats(), layer.float_bias(), out, in, panel_channels(ceil_div(out, 16)));
  }
  int tile_pixels(const Packed& packed) const override { return panel_pixels(packed.panel); }
  int round_up(int pixels) const override { return pixels + 16; }
  size_t product_scratch(const Packed& packed, int pixels) const override {
    return panel_sums(packed, pixels) * 4;
  }
  size_t operand_bytes() const override { return second_level_cache() * 3 / 8; }

  void product(const Product& c) const override {
    const int blocks = c.packed->panel / 16;
    for (int j = c.first; j < c.last; j++) {
      const size_t at = size_t(j) * blocks * c.out_pixels * 16;
      multiply_panel(c, j, reinterpret_cast<float*>(c.out) + at, c.added ? reinterpret_cast<const float*>(c.added) + at : nullptr, reinterpret_cast<float*>(c.scratch));
    }
  }

  void depthwise(const Packed& packed, const Window& w, Rows in, Rows out, int first, int last, int rows, int width, float low, float high) const override {
    DepthwiseKernel* const kernels[] = {KERNEL(depthwise_3s1), KERNEL(depthwise_3s2), KERNEL(depthwise_5s1), KERNEL(depthwise_5s2)};
    const bool square = w.height == w.width && w.stride_y == w.stride_x && w.dilation_y == 1 && w.dilation_x == 1;
    if (!square || w.stride_x > 2 || (w.width != 3 && w.width != 5))
      return depthwise_any(packed, w, in, out, first, last, rows, width, low, high);
    const int taps = w.taps(), blocks = last - first;
    View<4> image(in.data + first * in.block * kCell, kFloat, {{16, 1}, {(width - 1) * w.stride_x + w.width, 16}, {(rows - 1) * w.stride_y + w.height, int(16 * in.row)}, {blocks, int(16 * in.block)}});
    View<3> weight(reinterpret_cast<const float*>(packed.weight) + size_t(first) * taps * 16, kFloat, {{16, 1}, {taps, 16}, {blocks, taps * 16}});
    View<2> bias(packed.bias + first * 16, kFloat, {{16, 1}, {blocks, 16}});
    View<4> o(out.data + first * out.block * kCell, kFloat, {{16, 1}, {width, 16}, {rows, int(16 * out.row)}, {blocks, int(16 * out.block)}});
    kernels[(w.width == 5) * 2 + w.stride_x - 1](image, weight, bias, low, high, o);
  }

  bool has_stem(const Window& w, int channels, int out_width) const override { return is_stem(w, channels) && out_width >= 7; }
  size_t image_bytes(int out_height, int out_width) const override { return planar_bytes(out_height, out_width); }
  void prepare_image(const Window& w, const float* planar, int height, int width, int out_height, int out_width, const Quantum&, char* image, int first, int last) const override {
    prepare_planar(w, planar, height, width, out_height, out_width, reinterpret_cast<float*>(image), first, last);
  }
  Packed pack_stem(WeightArena& arena, const Layer& layer, int out) const override {
    return pack_taps(arena, layer.floats(), layer.float_bias(), out, 27);
  }
  void stem(const Packed& packed, const char* image, int out_height, int out_width, int y, int rows, float low, float high, Rows out) const override {
    stem_f32(packed, image, out_height, out_width, y, rows, low, high, out);
  }

  Packed pack_linear(WeightArena& arena, const float* weight, const float* bias, int out, int in) const override {
    return pack_panels(arena, weight, bias, out, in, 16);
  }
  void linear(const Packed& packed, const Finish& finish, const float* x, float* y, int first, int last) const override {
    const int in = packed.in, k = ceil_div(in, 16) * 16;
    for (int n = first; n < last; n++) {
      const float* w = reinterpret_cast<const float*>(packed.weight) + size_t(n) * k * 16;
      Floats sum[4] = {read(packed.bias + 16 * n)};
      int i = 0;
      for (; i + 4 <= in; i += 4)
        for (int u = 0; u < 4; u++) sum[u] += x[i + u] * read(w + (i + u) * 16);
      for (; i < in; i++) sum[0] += x[i] * read(w + i * 16);
      const Floats total = apply(finish, (sum[0] + sum[1]) + (sum[2] + sum[3]));
      std::memcpy(y + 16 * n, &total, size_t(std::min(16, packed.out - 16 * n)) * 4);
    }
  }
};

uint16_t to_bfloat16(float f) {
  uint32_t u;
  std::memcpy(&u, &f, 4);
  return uint16_t(std::isnan(f) ? (u >> 16) | 0x40 : (u + 0x7fff + ((u >> 16) & 1)) >> 16);
}

// Products on AMX tiles where they are; elsewhere in float32 on bfloat16 operands, with float32 weights.
class Bfloat16Cells final : public Cells<Bfloat16> {
 public:
  static constexpr int kWidest = 1024;  // pixels of a row that is rounded
  explicit Bfloat16Cells(Products products) : products(products) {}

  Packed pack_product(WeightArena& arena, const Layer& layer, int out, int in) const override {
    const float *weight = layer.floats(), *bias = layer.float_bias();
    const int nb = ceil_div(out, 32), kb = ceil_div(in, 32);
    if (products == Products::floats) {
      std::vector<float> rounded(size_t(out) * in);
      for (size_t i = 0; i < rounded.size(); i++) {
        const uint32_t bits = uint32_t(to_bfloat16(weight[i])) << 16;
        std::memcpy(&rounded[i], &bits, 4);
      }
      return pack_panels(arena, rounded.data(), bias, out, in, panel_channels(2 * nb), 32);
    }
    uint16_t* w = reinterpret_cast<uint16_t*>(arena.take(size_t(nb) * kb * 2048));
    float* b = reinterpret_cast<float*>(arena.take(size_t(nb) * 128));
    for (int n = 0; n < out; n++)
      for (int k = 0; k < in; k++)
        w[(((size_t(n / 32) * kb + k / 32) * 2 + n / 16 % 2) * 16 + k % 32 / 2) * 32 + n % 16 * 2 + k % 2] = to_bfloat16(weight[size_t(n) * in + k]);
    if (bias) std::copy(bias, bias + out, b);
    return {reinterpret_cast<char*>(w), b, in, out, 32};
  }
  int tile_pixels(const Packed& packed) const override { 
    return products == Products::tiles ? 32 : products == Products::dots ? 14 : panel_pixels(packed.panel);
  }
  int round_up(int pixels) const override { return ceil_div(pixels + 15, 16) * 16; }
  size_t operand_bytes() const override { return second_level_cache() / (products == Products::floats ? 8 : 4); }
  size_t product_scratch(const Packed& packed, int pixels) const override {  // operand, result and sums in float32
    return products != Products::floats ? 0 : (size_t(ceil_div(packed.in, 32)) * 32 + 3 * size_t(packed.panel)) * (pixels + 64) * 4;
  }

  void product(const Product& c) const override {
#if defined(__AVX512F__)
    if (products == Products::tiles) return amx::product(c);
    if (products == Products::dots) return dots::product(c);
#endif
    const int kb = ceil_div(c.packed->in, 32), pixels = round_up(c.pixels), panel = c.packed->panel / 16;
    float* operand = reinterpret_cast<float*>(c.scratch);
    float* result = operand + size_t(kb) * 32 * pixels;
    float* sums = result + size_t(panel) * 16 * pixels;
    for (int k = 0; k < kb; k++)
      for (int p = 0; p < pixels; p++) spread(c.operand + (size_t(k) * c.stride + p) * kCell, operand + (size_t(2 * k) * pixels + p) * 16, size_t(pixels) * 16);
    Product wide = c;
    wide.operand = c.scratch, wide.stride = pixels;
    Packed packed = *c.packed;
    packed.in = std::min(kb * 32, ceil_div(packed.in, 16) * 16), packed.out = ceil_div(packed.out, 32) * 32;
    wide.packed = &packed;
    wide.out_pixels = pixels, wide.place = identity(), wide.low = -INFINITY, wide.high = INFINITY;
    for (int j = c.first; j < c.last; j++) {
      multiply_panel(wide, j, result, nullptr, sums);
      for (int b = 0; b < panel; b++) gather(c, j * panel + b, result + size_t(b) * pixels * 16);
    }
  }

  void depthwise(const Packed& packed, const Window& w, Rows in, Rows out, int first, int last, int rows, int width, float low, float high) const override {
#if defined(__AVX512F__)
    if (products != Products::floats && rounding::has_depthwise(w)) return rounding::depthwise(packed, w, in, out, first, last, rows, width, low, high);
#endif
    DepthwiseKernel* const kernels[] = {KERNEL(depthwise_bf16_3s1), KERNEL(depthwise_bf16_3s2)};
    if (w.height != 3 || w.width != 3 || w.stride_y != w.stride_x || w.stride_x > 2 || w.dilation_y != 1 || w.dilation_x != 1)
      return depthwise_any(packed, w, in, out, first, last, rows, width, low, high);
    const int blocks = last - first;
    View<4> image(in.data + first * in.block * kCell, kWord, {{16, 1}, {(width - 1) * w.stride_x + 3, 16}, {(rows - 1) * w.stride_y + 3, int(16 * in.row)}, {blocks, int(16 * in.block)}});
    View<4> weight(reinterpret_cast<const float*>(packed.weight) + size_t(first) * 288, kFloat, {{16, 1}, {2, 16}, {9, 32}, {blocks, 288}});
    View<3> bias(packed.bias + first * 32, kFloat, {{16, 1}, {2, 16}, {blocks, 32}});
    View<4> o(out.data + first * out.block * kCell, kWord, {{16, 1}, {width, 16}, {rows, int(16 * out.row)}, {blocks, int(16 * out.block)}});
    kernels[w.stride_x - 1](image, weight, bias, low, high, o);
  }

  // Without tiles the stem runs in float32 and is rounded row by row. For tiles the prepared image is interleaved, [rows][pitch] bfloat16 with its zero border: tiles are loaded from it as they are.
  bool has_stem(const Window& w, int channels, int out_width) const override { return is_stem(w, channels) && (products == Products::tiles || (out_width >= 7 && out_width <= kWidest)); }
  static int image_pitch(int out_width) { return ceil_div((2 * out_width + 1) * 3 + 8, 32) * 32; }
  size_t image_bytes(int out_height, int out_width) const override {
    return products == Products::tiles ? size_t(2 * out_height + 1) * image_pitch(out_width) * 2 + 1024 : planar_bytes(out_height, out_width);
  }
  void prepare_image(const Window& w, const float* planar, int height, int width, int out_height, int out_width, const Quantum&, char* image, int first, int last) const override {
    if (products != Products::tiles) return prepare_planar(w, planar, height, width, out_height, out_width, reinterpret_cast<float*>(image), first, last);
    const int pitch = image_pitch(out_width), count = std::min(width, 2 * out_width + 1 - w.left);
    const size_t plane = size_t(height) * width;
    for (int y = first; y < last; y++) {
      uint16_t* to = reinterpret_cast<uint16_t*>(image) + size_t(y) * pitch;
      std::memset(to, 0, size_t(pitch) * 2);
      const int iy = y - w.top;
      if (iy < 0 || iy >= height) continue;
      to += 3 * w.left;
      const float* from = planar + size_t(iy) * width;
      for (int x = 0; x < count; x++)
        for (int c = 0; c < 3; c++) {
          uint32_t u;
          std::memcpy(&u, from + c * plane + x, 4);
          to[3 * x + c] = uint16_t((u + 0x7fff + ((u >> 16) & 1)) >> 16);
        }
    }
  }
  Packed pack_stem(WeightArena& arena, const Layer& layer, int out) const override {  // [N/16][3 dy][5][16][2], k = 3 dx + channel
    const float *weight = layer.floats(), *bias = layer.float_bias();
    if (products != Products::tiles) return pack_taps(arena, weight, bias, out, 27);
    const int nb = ceil_div(out, 32) * 2;
    uint16_t* w = reinterpret_cast<uint16_t*>(arena.take(size_t(nb) * 960));
    float* b = reinterpret_cast<float*>(arena.take(size_t(nb) * 64));
    for (int n = 0; n < out; n++)
      for (int c = 0; c < 3; c++)
        for (int t = 0; t < 9; t++) {
          const int k = 3 * (t % 3) + c;
          w[((n / 16 * 3 + t / 3) * 5 + k / 2) * 32 + n % 16 * 2 + k % 2] = to_bfloat16(weight[(n * 3 + c) * 9 + t]);
        }
    if (bias) std::copy(bias, bias + out, b);
    return {reinterpret_cast<char*>(w), b, 27, out, 32};
  }
  void stem(const Packed& packed, const char* image, int out_height, int out_width, int y, int rows, float low, float high, Rows out) const override {
#if defined(__AVX512F__)
    const int pitch = image_pitch(out_width);
    if (products == Products::tiles) return amx::stem(reinterpret_cast<const uint16_t*>(image) + size_t(2 * y) * pitch, pitch, rows, out_width, packed, low, high, out);
#endif
    alignas(64) static thread_local float line[2 * kWidest * 16];  // one row of 32 channels
    for (int j = 0; j < ceil_div(packed.out, 32); j++)
      for (int i = 0; i < rows; i++) {
        stem_f32(packed, image, out_height, out_width, y + i, 1, low, high, {reinterpret_cast<char*>(line), kWidest, kWidest}, 2 * j, 2);
        for (int x = 0; x < out_width; x++) {
          char* to = out.data + (j * out.block + i * out.row + x) * kCell;
          narrow(read(line + x * 16), to), narrow(read(line + (kWidest + x) * 16), to + 32);
        }
      }
  }

  // [N/16][K][16] bfloat16: the weights are the time.
  Packed pack_linear(WeightArena& arena, const float* weight, const float* bias, int out, int in) const override {
    const int nb = ceil_div(out, 16);
    uint16_t* w = reinterpret_cast<uint16_t*>(arena.take(size_t(nb) * in * 32));
    float* b = reinterpret_cast<float*>(arena.take(size_t(nb) * 64));
    for (int n = 0; n < out; n++)
      for (int k = 0; k < in; k++) w[(size_t(n / 16) * in + k) * 16 + n % 16] = to_bfloat16(weight[size_t(n) * in + k]);
    if (bias) std::copy(bias, bias + out, b);
    return {reinterpret_cast<char*>(w), b, in, out, 16};
  }
  void linear(const Packed& packed, const Finish& finish, const float* x, float* y, int first, int last) const override {
    const int in = packed.in;
    for (int n = first; n < last; n++) {
      const char* w = packed.weight + size_t(n) * in * 32;
      Floats sum[4] = {read(packed.bias + 16 * n)};
      int i = 0;
      for (; i + 4 <= in; i += 4)
        for (int u = 0; u < 4; u++) sum[u] += x[i + u] * Bfloat16::in_order(w + size_t(i + u) * 32);
      for (; i < in; i++) sum[0] += x[i] * Bfloat16::in_order(w + size_t(i) * 32);
      const Floats total = apply(finish, (sum[0] + sum[1]) + (sum[2] + sum[3]));
      std::memcpy(y + 16 * n, &total, size_t(std::min(16, packed.out - 16 * n)) * 4);
    }
  }

 private:
  const Products products;

  static void narrow(Floats v, char* to) {  // 16 bfloat16 in their own order
    typedef uint16_t Halves __attribute__((vector_size(32)));
    const Halves h = __builtin_convertvector(Bfloat16::rounded(v) >> 16, Halves);
    std::memcpy(to, &h, 32);
  }
  static void spread(const char* cell, float* first, size_t step) {
    write(first, Bfloat16::in_order(cell));
    write(first + step, Bfloat16::in_order(cell + 32));
  }
  // Rounds 16 channels of every pixel into half a cell of its place.
  static void gather(const Product& c, int half, const float* result) {
    const size_t block = size_t(half / 2) * c.out_pixels;
    const Floats low = all(c.low), high = all(c.high);
    for (int p = 0; p < c.pixels; p++) {
      const size_t at = (block + c.place[p]) * kCell + half % 2 * 32;
      Floats v = read(result + size_t(p) * 16);
      if (c.added) v += Bfloat16::in_order(c.added + at);
      narrow(clamp(v, low, high), c.out + at);
    }
  }
};

}  // namespace

const Arithmetic& float32() {
  static const Float32Cells cells;
  return cells;
}
const Arithmetic& bfloat16(Products products) {
  static const Bfloat16Cells tiles(Products::tiles), dots(Products::dots), floats(Products::floats);
  return products == Products::tiles ? tiles : products == Products::dots ? dots : floats;
}

}  // namespace underone::UNDERONE_ISA
