// Quantised products on AMX tiles. Hand-written as amx.cpp is: 2 x 2 blocks of accumulator tiles, and the rounding of one
// block between the multiplications of the next.
#include <algorithm>

#include "amx_tiles.h"
#include "bytes_simd.h"

namespace underone::amx {

namespace {

using vnni::Ending, vnni::Form, vnni::by_form;

constexpr int kTile = 1024;

// Sums of 32 pixels and 64 channels, [2][4 tiles][16 pixels][16]; one block is rounded while the other is multiplied.
struct Sums {
  alignas(64) int32_t block[2][2048];
};

// A block that waits to be stored: pixels [at, count).
struct Waiting {
  const int32_t* sums = nullptr;
  Ending ending = {};
  const int* place = nullptr;
  char* out = nullptr;
  const char* added = nullptr;
  int at = 0, count = 0;
};

template <Form kForm>
inline void store(Waiting& w, int pixels) {
  const int end = std::min(w.count, w.at + pixels);
  if (w.at >= end) return;
  const vnni::Rounding<kForm> rounding(w.ending);
  for (int i = w.at; i < end; i++) {
    const size_t to = size_t(w.place[i]) * kCell;
    rounding.put(w.sums + (i & 16) * 64 + (i & 15) * 16, 256, w.out + to, w.added ? w.added + to : nullptr);
  }
  w.at = end;
}

const int32_t* bias_of(const Packed& packed, int block) { return reinterpret_cast<const int32_t*>(packed.bias) + 64 * block; }

template <Form kForm>
void multiply(const Product& c) {
  configure(16);
  static thread_local Sums sums;
  Waiting waiting;
  const int kb = ceil_div(c.packed->in, kCell), pixels = ceil_div(c.pixels, 16) * 16;
  const size_t panel = size_t(kb) * 4 * kTile, step = size_t(c.stride) * kCell;
  const int share = ceil_div(32, 2 * kb);
  const int lines = ceil_div(32, ceil_div(pixels, 32));  // the next panel: 64 lines a block of depth, spread over all pixels
  int turn = 0;
  for (int j = c.first; j < c.last; j++) {
    const char* const weight = c.packed->weight + size_t(j) * panel;
    const char* ahead = weight + panel;
    for (int p = 0; p < pixels; p += 32) {
      const bool two = p + 16 < pixels;
      int32_t* const s = sums.block[turn];
      for (int t = 0; t < 4; t += 2) {
        const int32_t* bias = bias_of(*c.packed, j) + 16 * t;
        const char *a = c.operand + size_t(p) * kCell, *w = weight + t * kTile;
        _tile_loadd(0, bias, 0);
        _tile_loadd(1, bias + 16, 0);
        if (two) {
          _tile_loadd(2, bias, 0);
          _tile_loadd(3, bias + 16, 0);
        }
        for (int k = 0; k < kb; k++, a += step, w += 4 * kTile) {
          _tile_loadd(4, a, 64);
          _tile_loadd(6, w, 64);
          _tile_dpbusd(0, 4, 6);
          _tile_loadd(7, w + kTile, 64);
          _tile_dpbusd(1, 4, 7);
          if (two) {
            _tile_loadd(5, a + kTile, 64);
            _tile_dpbusd(2, 5, 6);
            _tile_dpbusd(3, 5, 7);
          }
          for (int l = 0; l < lines; l++, ahead += kCell) _mm_prefetch(ahead, _MM_HINT_T1);
          store<kForm>(waiting, share);
        }
        _tile_stored(0, s + t * 256, 64);
        _tile_stored(1, s + t * 256 + 256, 64);
        if (two) {
          _tile_stored(2, s + 1024 + t * 256, 64);
          _tile_stored(3, s + 1024 + t * 256 + 256, 64);
        }
      }
      store<kForm>(waiting, 32);
      const size_t block = size_t(j) * c.out_pixels * kCell;
      waiting = {s, Ending(*c.packed, j, c.low, c.high, c.added ? c.sum : nullptr), c.place + p, c.out + block, c.added ? c.added + block : nullptr, 0, std::min(c.pixels - p, two ? 32 : 16)};
      turn ^= 1;
    }
  }
  store<kForm>(waiting, 32);
  _tile_release();
}

// The pixels under the windows of a row, columns outermost: 4 bytes of each of three rows, and 4 that meet no weight.
void stack_rows(const char* image, size_t pitch, int columns, char* out) {
  for (int x = 0; x < columns; x += 16, out += 256) {
    const char* at = image + size_t(x) * 4;
    const __m512i a = _mm512_loadu_si512(at), b = _mm512_loadu_si512(at + pitch * 4), c = _mm512_loadu_si512(at + pitch * 8);
    const __m512i low = _mm512_unpacklo_epi32(a, b), high = _mm512_unpackhi_epi32(a, b), clow = _mm512_unpacklo_epi32(c, c), chigh = _mm512_unpackhi_epi32(c, c);
    const __m512i p[4] = {_mm512_unpacklo_epi64(low, clow), _mm512_unpackhi_epi64(low, clow), _mm512_unpacklo_epi64(high, chigh), _mm512_unpackhi_epi64(high, chigh)};
    const __m512i i = _mm512_shuffle_i32x4(p[0], p[1], 0x44), j = _mm512_shuffle_i32x4(p[2], p[3], 0x44), k = _mm512_shuffle_i32x4(p[0], p[1], 0xee), l = _mm512_shuffle_i32x4(p[2], p[3], 0xee);
    _mm512_storeu_si512(out, _mm512_shuffle_i32x4(i, j, 0x88));
    _mm512_storeu_si512(out + 64, _mm512_shuffle_i32x4(i, j, 0xdd));
    _mm512_storeu_si512(out + 128, _mm512_shuffle_i32x4(k, l, 0x88));
    _mm512_storeu_si512(out + 192, _mm512_shuffle_i32x4(k, l, 0xdd));
  }
}

constexpr int kWide = 256;  // pixels of a row at a time

template <Form kForm>
void strip(const Packed& packed, const char* stacked, int width, float low, float high, Rows out, Sums& sums, Waiting& waiting, int& turn) {
  static const int line[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  for (int x0 = 0; x0 < width; x0 += 16) {
    const int x = std::min(x0, width - 16);
    for (int j = 0; j < ceil_div(packed.out, 64); j++) {
      int32_t* const s = sums.block[turn];
      const int32_t* bias = bias_of(packed, j);
      const char* w = packed.weight + size_t(j) * kStemBlock;
      _tile_loadd(0, bias, 0);
      _tile_loadd(1, bias + 16, 0);
      _tile_loadd(2, bias + 32, 0);
      _tile_loadd(3, bias + 48, 0);
      _tile_loadd(4, stacked + x * 32, 32);  // windows lie two columns apart
      _tile_loadd(6, w, 256);
      _tile_dpbusd(0, 4, 6);
      _tile_loadd(7, w + 64, 256);
      _tile_dpbusd(1, 4, 7);
      _tile_loadd(6, w + 128, 256);
      _tile_dpbusd(2, 4, 6);
      _tile_loadd(7, w + 192, 256);
      _tile_dpbusd(3, 4, 7);
      store<kForm>(waiting, 16);
      _tile_stored(0, s, 64);
      _tile_stored(1, s + 256, 64);
      _tile_stored(2, s + 512, 64);
      _tile_stored(3, s + 768, 64);
      waiting = {s, Ending(packed, j, low, high), line, out.data + (j * out.block + x) * kCell, nullptr, 0, 16};
      turn ^= 1;
    }
  }
}

template <Form kForm>
void all_rows(const Packed& packed, const char* image, int pitch, int rows, int width, float low, float high, Rows out) {
  configure(12);
  static thread_local Sums sums;
  alignas(64) static thread_local char stacked[(2 * kWide + 32) * 16];
  Waiting waiting;
  int turn = 0;
  for (int y = 0; y < rows; y++)
    for (int x0 = 0; x0 < width; x0 += kWide) {
      const int x = std::min(x0, std::max(0, width - kWide)), count = std::min(kWide, width);
      stack_rows(image + (size_t(2 * y) * pitch + 2 * x) * 4, size_t(pitch), 2 * count + 1, stacked);
      strip<kForm>(packed, stacked, count, low, high, {out.data + (y * out.row + x) * kCell, out.block, out.row}, sums, waiting, turn);
    }
  store<kForm>(waiting, 16);
  _tile_release();
}

}  // namespace

void product_bytes(const Product& c) {
  by_form(Ending(*c.packed, 0, c.low, c.high, c.added ? c.sum : nullptr).form(), [&](auto form) { multiply<form>(c); });
}

void stem_bytes(const Packed& packed, const char* image, int pitch, int rows, int width, float low, float high, Rows out) {
  if (width < 16) return vnni::byte_kernels.stem(packed, image, pitch, rows, width, low, high, out);
  by_form(Ending(packed, 0, low, high).form(), [&](auto form) { all_rows<form>(packed, image, pitch, rows, width, low, high, out); });
}

}  // namespace underone::amx
