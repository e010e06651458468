// Hand-written because Halide cannot express it: 2 x 2 blocks of accumulator tiles that share operand and weight tiles,
// with the rounding of one block between the multiplications of the next.
#include "amx.h"

#include <algorithm>

#include "amx_tiles.h"
#include "bfloat16_store.h"

namespace underone::amx {

namespace {

// Two blocks of sums, [4 tiles][16 pixels][16 channels]: one is multiplied while the other is rounded and stored.
struct Sums {
  alignas(64) float block[2][1024];
};

// A block of sums that waits to be stored: pixels [at, count).
struct Waiting {
  const float* sums = nullptr;
  const int* place = nullptr;
  char* out = nullptr;
  const char* added = nullptr;
  int at = 0, count = 0;
};

template <bool kSimple>
inline void store(Waiting& w, int pixels, const Bounds& b) {
  const int end = std::min(w.count, w.at + pixels);
  for (int i = w.at; i < end; i++) {
    const float* s = w.sums + (i & 16) * 32 + (i & 15) * 16;
    const size_t at = size_t(w.place[i]) * kCell;
    put<kSimple>(_mm512_load_ps(s), _mm512_load_ps(s + 256), w.out + at, w.added ? w.added + at : nullptr, b);
  }
  w.at = end;
}

template <bool kSimple>
void multiply(const Product& c, const Bounds& limits) {
  configure(16);
  static thread_local Sums sums;
  Waiting waiting;
  const int kb = ceil_div(c.packed->in, 32), pixels = ceil_div(c.pixels, 16) * 16;
  const size_t panel = size_t(kb) * 1024, step = size_t(c.stride) * 32;
  const uint16_t* operand = reinterpret_cast<const uint16_t*>(c.operand);
  const uint16_t* weight = reinterpret_cast<const uint16_t*>(c.packed->weight);
  const int share = ceil_div(32, kb);
  const int lines = ceil_div(32, ceil_div(pixels, 32));  // the next panel: 32 lines a step, spread over all blocks
  int turn = 0;
  for (int j = c.first; j < c.last; j++) {
    const uint16_t *w0 = weight + size_t(j) * panel, *w1 = w0 + 512, *ahead = w0 + panel;
    const float* bias = c.packed->bias + 32 * j;
    for (int p = 0; p < pixels; p += 32) {
      const bool two = p + 16 < pixels;
      const uint16_t* a = operand + size_t(p) * 32;
      float* s = sums.block[turn];
      _tile_loadd(0, bias, 0);
      _tile_loadd(1, bias + 16, 0);
      if (two) {
        _tile_loadd(2, bias, 0);
        _tile_loadd(3, bias + 16, 0);
        for (int k = 0; k < kb; k++, a += step) {
          _tile_loadd(4, a, 64);
          _tile_loadd(6, w0 + k * 1024, 64);
          _tile_dpbf16ps(0, 4, 6);
          _tile_loadd(7, w1 + k * 1024, 64);
          _tile_dpbf16ps(1, 4, 7);
          _tile_loadd(5, a + 512, 64);
          _tile_dpbf16ps(2, 5, 6);
          _tile_dpbf16ps(3, 5, 7);
          for (int l = 0; l < lines; l++, ahead += 32) _mm_prefetch(reinterpret_cast<const char*>(ahead), _MM_HINT_T1);
          store<kSimple>(waiting, share, limits);
        }
        _tile_stored(0, s, 64);
        _tile_stored(1, s + 256, 64);
        _tile_stored(2, s + 512, 64);
        _tile_stored(3, s + 768, 64);
      } else {
        for (int k = 0; k < kb; k++, a += step) {
          _tile_loadd(4, a, 64);
          _tile_loadd(6, w0 + k * 1024, 64);
          _tile_dpbf16ps(0, 4, 6);
          _tile_loadd(7, w1 + k * 1024, 64);
          _tile_dpbf16ps(1, 4, 7);
          store<kSimple>(waiting, share, limits);
        }
        _tile_stored(0, s, 64);
        _tile_stored(1, s + 256, 64);
      }
      const size_t block = size_t(j) * c.out_pixels * kCell;
      waiting = {s, c.place + p, c.out + block, c.added ? c.added + block : nullptr, 0, std::min(c.pixels - p, two ? 32 : 16)};
      turn ^= 1;
    }
  }
  store<kSimple>(waiting, 32, limits);
  _tile_release();
}

}  // namespace

void product(const Product& c) {
  const Bounds limits = bounds(c.low, c.high);
  limits.whole && !c.added ? multiply<true>(c, limits) : multiply<false>(c, limits);
}

void stem(const uint16_t* image, int pitch, int rows, int width, const Packed& packed, float low, float high, Rows out) {
  configure(5);
  static const int line[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  static thread_local Sums sums;
  const Bounds limits = bounds(low, high);
  const uint16_t* weight = reinterpret_cast<const uint16_t*>(packed.weight);
  Waiting waiting;
  int turn = 0;
  for (int y = 0; y < rows; y++)
    for (int x0 = 0; x0 < width; x0 += 16) {
      const int x = std::max(0, std::min(x0, width - 16));
      const uint16_t* a = image + size_t(2 * y) * pitch + 6 * x;  // pixels of the output lie 12 bytes apart: stride 2, 3 channels
      for (int j = 0; j < ceil_div(packed.out, 32); j++) {
        const uint16_t *w0 = weight + j * 960, *w1 = w0 + 480;
        float* s = sums.block[turn];
        _tile_loadd(0, packed.bias + 32 * j, 0);
        _tile_loadd(1, packed.bias + 32 * j + 16, 0);
        for (int dy = 0; dy < 3; dy++) {
          _tile_loadd(4, a + dy * pitch, 12);
          _tile_loadd(6, w0 + dy * 160, 64);
          _tile_dpbf16ps(0, 4, 6);
          _tile_loadd(7, w1 + dy * 160, 64);
          _tile_dpbf16ps(1, 4, 7);
          limits.whole ? store<true>(waiting, 6, limits) : store<false>(waiting, 6, limits);
        }
        _tile_stored(0, s, 64);
        _tile_stored(1, s + 256, 64);
        waiting = {s, line, out.data + (j * out.block + y * out.row + x) * kCell, nullptr, 0, std::min(16, width)};
        turn ^= 1;
      }
    }
  limits.whole ? store<true>(waiting, 16, limits) : store<false>(waiting, 16, limits);
  _tile_release();
}

}  // namespace underone::amx
