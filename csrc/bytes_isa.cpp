// Products, windows and stems of quantised maps: sums of some pixels and 64 channels, then their cells.
#include <algorithm>
#include <cmath>

#include "bytes_simd.h"

namespace underone::UNDERONE_ISA {

namespace {

constexpr int kTile = 1024;  // bytes of a tile of weights: 64 channels in, 16 sums

// Some pixels side by side.
void put_row(const int32_t* sums, const Ending& e, char* out, int pixels) {
  by_form(e.form(), [=](auto form) {
    const Rounding<form> rounding(e);
    for (int p = 0; p < pixels; p++) rounding.put(sums + 64 * p, 16, out + p * kCell);
  });
}

const int32_t* whole_bias(const Packed& packed) { return reinterpret_cast<const int32_t*>(packed.bias); }

// Sums of kPixels pixels and one block: [pixel][4 tiles][16].
template <int kPixels>
void multiply(const char* operand, size_t stride, const char* weight, int depth, const int32_t* bias, int32_t* sums) {
  for (int q = 0; q < kPieces; q++)
    for (int t0 = 0; t0 < 4; t0 += kTileSums) {
      Register sum[kPixels][kTileSums];
#pragma GCC unroll 8
      for (int p = 0; p < kPixels; p++)
#pragma GCC unroll 4
        for (int t = 0; t < kTileSums; t++) sum[p][t] = load(bias + (t0 + t) * 16 + q * kSums);
      const char* w = weight + t0 * kTile + q * kBytes;
      const char* x = operand;
      for (int k = 0; k < depth; k++, w += 3 * kTile, x += (stride - 1) * kCell)
        for (int i = 0; i < 16; i++, w += kCell, x += 4) {
          Weights by[kTileSums];
#pragma GCC unroll 4
          for (int t = 0; t < kTileSums; t++) by[t] = weights(w + t * kTile);
#pragma GCC unroll 8
          for (int p = 0; p < kPixels; p++) {
            const Operand four = spread(x + p * kCell);
#pragma GCC unroll 4
            for (int t = 0; t < kTileSums; t++) sum[p][t] = dot(sum[p][t], four, by[t]);
          }
        }
#pragma GCC unroll 8
      for (int p = 0; p < kPixels; p++)
#pragma GCC unroll 4
        for (int t = 0; t < kTileSums; t++) store(sums + p * 64 + (t0 + t) * 16 + q * kSums, sum[p][t]);
    }
}

void product(const Product& c) {
  const int depth = ceil_div(c.packed->in, kCell);
  alignas(64) int32_t sums[kTilePixels * 64];
  for (int j = c.first; j < c.last; j++) {
    const char* weight = c.packed->weight + size_t(j) * depth * 4 * kTile;
    const Ending e(*c.packed, j, c.low, c.high, c.added ? c.sum : nullptr);
    const size_t block = size_t(j) * c.out_pixels * kCell;
    for (int at = 0; at < c.pixels; at += kTilePixels) {
      const int count = std::min(kTilePixels, c.pixels - at);
      (count > 1 ? multiply<kTilePixels> : multiply<1>)(c.operand + size_t(at) * kCell, size_t(c.stride), weight, depth, whole_bias(*c.packed) + 64 * j, sums);
      by_form(e.form(), [&](auto form) {
        const Rounding<form> rounding(e);
        for (int p = 0; p < count; p++) {
          const size_t to = block + size_t(c.place[at + p]) * kCell;
          rounding.put(sums + 64 * p, 16, c.out + to, c.added ? c.added + to : nullptr);
        }
      });
    }
  }
}

void stem(const Packed& packed, const char* image, int pitch, int rows, int width, float low, float high, Rows out) {
  alignas(64) int32_t sums[64];
  for (int j = 0; j < ceil_div(packed.out, 64); j++) {
    const char* weight = packed.weight + size_t(j) * kStemBlock;
    const Ending e(packed, j, low, high);
    for (int y = 0; y < rows; y++)
      for (int x = 0; x < width; x++) {
        const char* at = image + (size_t(2 * y) * pitch + 2 * x) * 4;
        for (int q = 0; q < kPieces; q++)
          for (int t = 0; t < 4; t++) {
            Register sum = load(whole_bias(packed) + 64 * j + t * 16 + q * kSums);
            for (int tap = 0; tap < 12; tap++) if (tap % 4 < 3) sum = dot(sum, spread(at + (size_t(tap % 4) * pitch + tap / 4) * 4), weights(weight + tap * 256 + t * 64 + q * kBytes));
            store(sums + t * 16 + q * kSums, sum);
          }
        put_row(sums, e, out.data + (j * out.block + y * out.row + x) * kCell, 1);
      }
  }
}

// Two of the four tiles: `kHigh` 0 or 1.
template <int kHigh>
INLINE void interleave_half(Register a, Register b, Register c, Register d, Operand* out) {
  Register all_of_them[4];
  interleave(a, b, c, d, all_of_them);
  for (int t = 0; t < 2; t++) out[t] = operand(all_of_them[2 * kHigh + t]);
}

// Two tiles of kRows rows of kPixels pixels, over windows of kSize x kSize: a column of four rows is interleaved once for all
// that lie over it. Two rows (3 x 3, stride 1) use all four; the weights of the second stand one row lower. f(row, pixel,
// sums of both tiles) takes the results.
template <int kSize, int kStride, int kRows, int kPixels, int kHigh, class F>
INLINE void columns(const char* in, size_t row, size_t step, const char* weight, const int32_t* bias, F f) {
  constexpr int kHeight = kSize + kRows - 1, kSet = (kSize + 3) / 4 * kSize * 256;
  Register sum[kRows][kPixels][2];
#pragma GCC unroll 2
  for (int r = 0; r < kRows; r++)
#pragma GCC unroll 8
    for (int p = 0; p < kPixels; p++)
      for (int t = 0; t < 2; t++) sum[r][p][t] = load(bias + (2 * kHigh + t) * 16);
  for (int i = 0; i < kSize; i += 4, in += 4 * row * kCell, weight += kSize * 256) {
    const size_t second = i + 1 < kHeight ? row * kCell : 0, third = i + 2 < kHeight ? 2 * row * kCell : 0, fourth = i + 3 < kHeight ? 3 * row * kCell : 0;
#pragma GCC unroll 32
    for (int c = 0; c < (kPixels - 1) * kStride + kSize; c++) {
      const char* at = in + c * step * kCell;
      Operand x[2];
      interleave_half<kHigh>(load(at), load(at + second), load(at + third), load(at + fourth), x);
#pragma GCC unroll 8
      for (int j = 0; j < kSize; j++) {
        if (c < j || (c - j) % kStride || (c - j) / kStride >= kPixels) continue;
        const int p = (c - j) / kStride;  // the pixel for which column c lies under tap j
#pragma GCC unroll 2
        for (int r = 0; r < kRows; r++)
          for (int t = 0; t < 2; t++) sum[r][p][t] = dot(sum[r][p][t], x[t], weights(weight + r * kSet + j * 256 + (2 * kHigh + t) * 64));
      }
    }
  }
#pragma GCC unroll 2
  for (int r = 0; r < kRows; r++)
#pragma GCC unroll 8
    for (int p = 0; p < kPixels; p++) f(r, p, sum[r][p]);
}

struct Windows {
  const Packed& packed;
  const Window& window;
  Rows in, out;
  int first, last, rows, width;
  float low, high;
  size_t step = 1;  // cells from a pixel to the next
};

// Strips of some rows from pixel `begin` on; the last one of a row begins early, so that it ends with the row.
template <Form kForm, int kSize, int kStride, int kRows, int kPixels, bool kApart>
void strips(const Windows& t, int block, int y, int begin, int end) {
  alignas(64) char halves[kRows * kPixels * kBytes];
  constexpr int kSet = (kSize + 3) / 4 * kSize * 256;
  const size_t step = kApart ? t.step : 1;
  const char* weight = t.packed.weight + size_t(block) * sets_of(t.window) * kSet;
  const Rounding<kForm> rounding(Ending(t.packed, block, t.low, t.high));
  const char* in = t.in.data + (block * t.in.block + size_t(y) * kStride * t.in.row) * kCell;
  char* out = t.out.data + (block * t.out.block + y * t.out.row) * kCell;
  for (int x0 = begin; x0 < end; x0 += kPixels) {
    const size_t x = size_t(std::min(x0, t.width - kPixels)) * step;
    for (int q = 0; q < kPieces; q++) {
      const int32_t* bias = whole_bias(t.packed) + 64 * block + q * kSums;
      const char* at = in + x * kStride * kCell + q * kBytes;
      char* to = out + x * kCell + q * kBytes;
      columns<kSize, kStride, kRows, kPixels, 0>(at, t.in.row, step, weight + q * kBytes, bias, [&](int r, int p, const Register* sums) __attribute__((always_inline)) {
        store(halves + (r * kPixels + p) * kBytes, rounding.half(sums[0], sums[1], q, 0));
      });
      columns<kSize, kStride, kRows, kPixels, 1>(at, t.in.row, step, weight + q * kBytes, bias, [&](int r, int p, const Register* sums) __attribute__((always_inline)) {
        store(to + (r * t.out.row + p * step) * kCell, rounding.bytes(load(halves + (r * kPixels + p) * kBytes), rounding.half(sums[0], sums[1], q, 2)));
      });
    }
  }
}

// Any window, pixel by pixel.
void any_window(const Windows& t) {
  const Window& w = t.window;
  alignas(64) int32_t sums[64];
  for (int b = t.first; b < t.last; b++) {
    const char* weight = t.packed.weight + size_t(b) * sets_of(w) * ceil_div(w.height, 4) * w.width * 256;
    const Ending e(t.packed, b, t.low, t.high);
    for (int y = 0; y < t.rows; y++)
      for (int x = 0; x < t.width; x++) {
        const char* in = t.in.data + (b * t.in.block + size_t(y) * w.stride_y * t.in.row + size_t(x) * w.stride_x) * kCell;
        for (int q = 0; q < kPieces; q++) {
          Register sum[4];
          for (int s = 0; s < 4; s++) sum[s] = load(whole_bias(t.packed) + 64 * b + 16 * s + q * kSums);
          const char* by = weight + q * kBytes;
          for (int i = 0; i < w.height; i += 4)
            for (int j = 0; j < w.width; j++, by += 256) {
              auto row = [&](int r) { return load(in + (size_t(std::min(i + r, w.height - 1)) * w.dilation_y * t.in.row + size_t(j) * w.dilation_x) * kCell + q * kBytes); };
              Register quads[4];
              interleave(row(0), row(1), row(2), row(3), quads);
              for (int s = 0; s < 4; s++) sum[s] = dot(sum[s], operand(quads[s]), weights(by + 64 * s));
            }
          for (int s = 0; s < 4; s++) store(sums + 16 * s + q * kSums, sum[s]);
        }
        put_row(sums, e, t.out.data + (b * t.out.block + y * t.out.row + x) * kCell, 1);
      }
  }
}

// So many pixels of a row at a time that four rows of cells stay in the first cache.
constexpr int kStrips = 12;

template <int kSize, int kStride, int kPixels, bool kApart>
void any_height(const Windows& t) {
  by_form(Ending(t.packed, 0, t.low, t.high).form(), [&](auto form) {
    for (int b = t.first; b < t.last; b++)
      for (int x = 0; x < t.width; x += kStrips * kPixels) {
        const int end = std::min(t.width, x + kStrips * kPixels);
        int y = 0;
        if constexpr (kSize == 3 && kStride == 1 && kBytes != 32)  // 16 registers are too few for two rows
          for (; y + 1 < t.rows; y += 2) strips<form, kSize, kStride, 2, kPixels, kApart>(t, b, y, x, end);
        for (; y < t.rows; y++) strips<form, kSize, kStride, 1, kPixels, kApart>(t, b, y, x, end);
      }
  });
}

template <int kSize, int kStride, bool kApart = false>
void any_width(const Windows& t) {
  constexpr int kMost = kBytes == 32 ? 4 : 7;  // as many sums as stay in registers
  t.width >= kMost ? any_height<kSize, kStride, kMost, kApart>(t) : any_height<kSize, kStride, 1, kApart>(t);
}

// A dilated window sees every so many rows and columns: as many pictures, each under a plain window.
void dilated(const Windows& t) {
  const int down = t.window.dilation_y, right = t.window.dilation_x;
  for (int y = 0; y < std::min(down, t.rows); y++)
    for (int x = 0; x < std::min(right, t.width); x++) {
      Windows part = t;
      for (Rows* rows : {&part.in, &part.out}) rows->data += (y * rows->row + x) * kCell, rows->row *= down;
      part.rows = ceil_div(t.rows - y, down), part.width = ceil_div(t.width - x, right), part.step = right;
      any_width<3, 1, true>(part);
    }
}

void depthwise(const Packed& packed, const Window& w, Rows in, Rows out, int first, int last, int rows, int width, float low, float high) {
  const Windows t{packed, w, in, out, first, last, rows, width, low, high};
  const bool square = w.height == w.width && w.stride_y == w.stride_x && w.stride_x <= 2, apart = w.dilation_y > 1 || w.dilation_x > 1;
  if (square && apart && w.width == 3 && w.stride_x == 1) return dilated(t);
  if (!square || apart || (w.width != 3 && w.width != 5)) return any_window(t);
  const bool twice = w.stride_x == 2;
  w.width == 3 ? (twice ? any_width<3, 2> : any_width<3, 1>)(t) : (twice ? any_width<5, 2> : any_width<5, 1>)(t);
}

void add(const Sum& sum, const char* a, const char* b, int cells, char* out) {
  for (size_t i = 0; i < size_t(cells) * kCell; i += kBytes) store(out + i, added(load(a + i), load(b + i), sum));
}

void scale(const Sum& product, const char* a, const char* b, int cells, char* out) {
  for (int q = 0; q < kPieces; q++) {
    Reals x[4], y[4];
    dequantised(load(b + q * kBytes), product.b, y);
    for (size_t i = size_t(q) * kBytes; i < size_t(cells) * kCell; i += kCell) {
      dequantised(load(a + i), product.a, x);
      for (int t = 0; t < 4; t++) x[t] = times(x[t], y[t]);
      store(out + i, quantised(x, product.out));
    }
  }
}

INLINE int quantised(float x, const Quantum& q) {
  const float most = 1024 * q.step, y = 1 / q.step;
  x = x > -most ? x : -most;  // a NaN, too
  x = x < most ? x : most;
  const float first = x * y;
  const int v = int(std::nearbyintf(std::fmaf(std::fmaf(-first, q.step, x), y, first))) + q.zero;  // as `divided`
  return std::min(std::max(v, q.low), q.high);
}

void quantize(const float* x, int count, const Quantum& quantum, uint8_t* out) {
  const Quantum q = quantum;
  for (int i = 0; i < count; i++) out[i] = uint8_t(quantised(x[i], q));
}

void interleave_planes(const float* planes, size_t plane, int count, const Quantum& quantum, uint32_t* out) {
  const Quantum q = quantum;
  const float *red = planes, *green = planes + plane, *blue = planes + 2 * plane;
  for (int i = 0; i < count; i++) out[i] = uint32_t(quantised(red[i], q) | quantised(green[i], q) << 8 | quantised(blue[i], q) << 16);
}

void mean(const char* in, size_t row, int height, int width, const Quantum& from, const Quantum& to, char* out) {
  int32_t sums[kByteLanes] = {};
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      const uint8_t* cell = reinterpret_cast<const uint8_t*>(in) + (y * row + x) * kCell;
      for (int c = 0; c < kByteLanes; c++) sums[c] += cell[c];
    }
  const int count = height * width;
  for (int c = 0; c < kByteLanes; c++) out[c] = char(quantised(float(sums[c] - count * from.zero) * from.step / float(count), to));
}

}  // namespace

const ByteKernels byte_kernels = {product, stem, depthwise, kOffset, kTilePixels};
const ByteLoops byte_loops = {quantize, interleave_planes, add, scale, mean};

}  // namespace underone::UNDERONE_ISA
