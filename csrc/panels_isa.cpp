// Hand-written because Halide cannot prefetch: the weights of a network stream from the third-level cache, and a panel
// that was fetched while the one before was multiplied costs no time (512 channels at 14x14: 85 % -> 96 % of the peak of
// multiply-adds). Every number of pixels has its code, so that none are computed in vain (7x7: 77 % -> 88 %).
#include "panels.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace underone::UNDERONE_ISA {

namespace {

#if defined(__AVX512F__)
constexpr int kBytes = 64;
#elif defined(__AVX2__)
constexpr int kBytes = 32;
#else
constexpr int kBytes = 16;
#endif
constexpr int kLanes = kBytes / 4;
constexpr int kPart = 16;  // blocks of input channels: a part of a panel that stays in the first-level cache
typedef float Register __attribute__((vector_size(kBytes)));

Register load(const float* p) { Register r; std::memcpy(&r, p, kBytes); return r; }

// Pixels of one register tile times one part of a panel.
struct Tile {
  const float* operand;    // [blocks][stride][16]
  size_t stride;
  const float* weight;     // [depth * 16 + rest][channels]
  int depth;               // whole blocks of 16 input channels
  int rest;                // input channels behind them
  const float* start;      // what the sums begin with, by block of 16 and pixel
  size_t start_block, start_pixel;
  float* out;
  size_t out_block;
  const int* place;        // null: the pixels lie side by side
  const float* added;
  float low, high;
  const char* ahead;       // what will be needed next: so many lines for every block of input channels
  int lines;
};

template <int kChannels, int kPixels>
void multiply(const Tile& t) {
  constexpr int kVectors = kChannels / kLanes;
  Register sum[kPixels][kVectors];
#pragma GCC unroll 16
  for (int p = 0; p < kPixels; p++)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; v++) sum[p][v] = load(t.start + v * kLanes / 16 * t.start_block + v * kLanes % 16 + p * t.start_pixel);
  const float *operand = t.operand, *weight = t.weight;
  const char* ahead = t.ahead;
  const auto add = [&](int i) __attribute__((always_inline)) {  // input channel i of the block
    Register w[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; v++) w[v] = load(weight + v * kLanes);
#pragma GCC unroll 16
    for (int p = 0; p < kPixels; p++) {
      const float x = operand[p * 16 + i];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; v++) sum[p][v] += x * w[v];
    }
  };
  for (int k = 0; k < t.depth; k++, operand += t.stride * 16) {
    for (int l = 0; l < t.lines; l++, ahead += 64) __builtin_prefetch(ahead, 0, 2);
    for (int i = 0; i < 16; i++, weight += kChannels) add(i);
  }
  for (int i = 0; i < t.rest; i++, weight += kChannels) add(i);  // apart: one loop of 16 or fewer takes 6 % longer
  // Copies: as far as the compiler knows, every store may change the tile.
  const Register low = Register{} + t.low, high = Register{} + t.high;
  float* const out = t.out;
  const float* const added = t.added;
  const size_t out_block = t.out_block;
  const auto finish = [&](auto at) __attribute__((always_inline)) {
    if (added)
#pragma GCC unroll 16
      for (int p = 0; p < kPixels; p++)
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; v++) sum[p][v] += load(added + at(p, v));
#pragma GCC unroll 16
    for (int p = 0; p < kPixels; p++)
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; v++) {
        Register s = sum[p][v];
        s = s < low ? low : s;
        s = s > high ? high : s;
        std::memcpy(out + at(p, v), &s, kBytes);
      }
  };
  const auto channel = [&](int v) __attribute__((always_inline)) { return v * kLanes / 16 * out_block + v * kLanes % 16; };
  if (t.place) {
    const int* const place = t.place;
    finish([&](int p, int v) __attribute__((always_inline)) { return channel(v) + size_t(place[p]) * 16; });
  } else {
    finish([&](int p, int v) __attribute__((always_inline)) { return channel(v) + p * 16; });
  }
}

using Multiply = void(const Tile&);
constexpr int kMost = 14;  // pixels

template <int kChannels, size_t... P>
constexpr std::array<Multiply*, kMost + 1> all_pixels(std::index_sequence<P...>) { return {nullptr, multiply<kChannels, P + 1>...}; }

// Sums in registers: pixels x channels.
struct Panel {
  int pixels, channels;
  std::array<Multiply*, kMost + 1> by_pixels;
};
template <int kPixels, int kChannels>
constexpr Panel panel() { return {kPixels, kChannels, all_pixels<kChannels>(std::make_index_sequence<kPixels>())}; }

const Panel kPanels[] = {
#if defined(__AVX512F__)
    panel<14, 32>(), panel<9, 48>(), panel<14, 16>(),
#elif defined(__AVX2__)
    panel<6, 16>(),
#else
    panel<5, 16>(),  // with six, the sums, the weights and the pixels need 34 of 32 registers
#endif
};

const Panel& panel_of(int channels) {
  for (const Panel& p : kPanels)
    if (channels == p.channels) return p;
  return kPanels[0];  // not reached: only widths of the list are packed
}

int parts_of(int blocks) { return ceil_div(blocks, kPart); }

// Whether pixels are placed side by side, as they mostly are: then no address is calculated for any of them (16 channels to
// 96: 142 -> 152 GFLOP/s). Sixteen places are read.
bool side_by_side(const int* place, int pixels) {
  typedef int Places __attribute__((vector_size(64)));
  constexpr Places order = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  Places found;
  std::memcpy(&found, place, sizeof found);
  const Places apart = (found - place[0] != order) & (order < pixels);
  int any = 0;
  for (int i = 0; i < 16; i++) any |= apart[i];
  return !any;
}

}  // namespace

// The first panel of the list that divides the channels. One of 16 has but one product for every pixel that is read: it is
// for layers as narrow, and for what wider panels leave over (546 channels at 20x20: 69 % -> 73 % of the peak).
int panel_channels(int blocks) {
  for (const Panel& p : kPanels)
    if (blocks * 16 % p.channels == 0 && (p.channels > 16 || blocks == 1)) return p.channels;
  return kPanels[0].channels;
}
int panel_width(int out, int panel, int channels) { return std::min(channels, ceil_div(out, 16) * 16 - panel * channels); }
int panel_pixels(int channels) { return panel_of(channels).pixels; }

size_t panel_sums(const Packed& packed, int pixels) {
  return parts_of(ceil_div(packed.in, 16)) > 1 ? size_t(pixels) * packed.panel : 0;
}

void multiply_panel(const Product& c, int panel, float* out, const float* added, float* sums) {
  const int blocks = ceil_div(c.packed->in, 16), parts = parts_of(blocks), first_channel = panel * c.packed->panel;
  const int channels = panel_width(c.packed->out, panel, c.packed->panel);
  const Panel& shape = panel_of(channels);
  const int tiles = ceil_div(c.pixels, shape.pixels), lines = ceil_div(channels, tiles);
  const float* operand = reinterpret_cast<const float*>(c.operand);
  const float* weight = reinterpret_cast<const float*>(c.packed->weight) + size_t(first_channel) * blocks * 16;
  for (int part = 0; part < parts; part++) {
    const int k = blocks * part / parts, depth = blocks * (part + 1) / parts - k;
    const bool first = part == 0, last = part == parts - 1;
    const float* w = weight + size_t(k) * 16 * channels;
    const int rest = last ? c.packed->in % 16 : 0, whole = depth - (rest > 0);
    const char* ahead = reinterpret_cast<const char*>(w + size_t(depth) * 16 * channels);
    for (int i = 0; i < tiles; i++) {
      const int at = int(int64_t(c.pixels) * i / tiles), pixels = int(int64_t(c.pixels) * (i + 1) / tiles) - at;
      float* between = sums + size_t(at) * channels;  // [channels / 16][pixels][16]
      Tile t{operand + (size_t(k) * c.stride + at) * 16, size_t(c.stride), w, whole, rest, between, size_t(pixels) * 16, 16, between, size_t(pixels) * 16, nullptr, nullptr, -INFINITY, INFINITY, ahead + size_t(i) * depth * lines * 64, i * lines < channels ? lines : 0};
      if (first) t.start = c.packed->bias + first_channel, t.start_block = 16, t.start_pixel = 0;
      if (last) {
        const int* const place = c.place + at;
        const bool together = side_by_side(place, pixels);
        const size_t begin = together ? size_t(place[0]) * 16 : 0;
        t.out = out + begin, t.out_block = size_t(c.out_pixels) * 16, t.place = together ? nullptr : place;
        t.added = added ? added + begin : nullptr, t.low = c.low, t.high = c.high;
      }
      shape.by_pixels[pixels](t);
    }
  }
}

}  // namespace underone::UNDERONE_ISA
