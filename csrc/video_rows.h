// Rows of a camera's or a decoder's frame as RGB: ITU-R BT.601 and BT.709 in whole 64ths of a level, the steps of planes.py.
#pragma once

#include <cstdint>

#include "resample.h"

namespace underone::UNDERONE_ISA {

// The product of two fractions of 15 bits, rounded; written as compilers know it, for the one instruction that it is.
inline int16_t product(int16_t a, int16_t b) { return int16_t(((int32_t(a) * b >> 14) + 1) >> 1); }

// `sum`: 64ths of a level above middle grey. All in 16 bits.
inline uint16_t byte_of(int16_t sum) {
  int16_t level = int16_t(sum >> 6);
  level = level < 127 ? level : 127;
  level = level > -128 ? level : -128;
  return uint16_t(level + 128);
}

// Each number twice, side by side.
inline void twice(const int16_t* __restrict from, int64_t count, int16_t* to) {
  using Pair [[gnu::may_alias, gnu::aligned(2)]] = uint32_t;
  Pair* __restrict pairs = reinterpret_cast<Pair*>(to);
  for (int64_t i = 0; i < count; ++i) pairs[i] = uint16_t(from[i]) | uint32_t(uint16_t(from[i])) << 16;
}

// What the differences add to red, take from green and add to blue in row `y`, for pixels `from` (even) to `end`: (3, width + 1).
template <int64_t kStep>
void chroma_row_of(const Video& video, int64_t y, int64_t from, int64_t end, int16_t* chroma) {
  constexpr int64_t kBlock = 64;
  using Both [[gnu::may_alias, gnu::aligned(1)]] = uint16_t;
  const uint8_t* const blue = video.blue + y / 2 * video.chroma_row;
  const uint8_t* const red = video.red + y / 2 * video.chroma_row;
  const Colours how = video.colours;
  const int64_t last = (end + 1) / 2, length = video.width + 1;
  for (int64_t start = from / 2; start < last; start += kBlock) {
    const int64_t count = last - start < kBlock ? last - start : kBlock;
    int16_t b[kBlock], r[kBlock], green[kBlock];
    if (kStep == 2) {  // neighbours, read together
      const Both* const both = reinterpret_cast<const Both*>(blue < red ? blue : red) + start;
      int16_t *const lower = blue < red ? b : r, *const upper = blue < red ? r : b;
      for (int64_t i = 0; i < count; ++i) {
        lower[i] = int16_t(((both[i] & 0xff) - 128) * 256);
        upper[i] = int16_t(((both[i] >> 8) - 128) * 256);
      }
    } else {
      for (int64_t i = 0; i < count; ++i) b[i] = int16_t((blue[start + i] - 128) * 256);
      for (int64_t i = 0; i < count; ++i) r[i] = int16_t((red[start + i] - 128) * 256);
    }
    for (int64_t i = 0; i < count; ++i) green[i] = int16_t(product(r[i], how.green_of_red) + product(b[i], how.green_of_blue));
    for (int64_t i = 0; i < count; ++i) r[i] = product(r[i], how.red);
    for (int64_t i = 0; i < count; ++i) b[i] = product(b[i], how.blue);
    twice(r, count, chroma + 2 * start);
    twice(green, count, chroma + length + 2 * start);
    twice(b, count, chroma + 2 * length + 2 * start);
  }
}

// Four bytes a pixel, of which the last is 0. kGrey: all show the luma of the RGB, as image.cpp has it.
template <bool kGrey>
void convert_row_to(const Video& video, int64_t y, int64_t from, int64_t end, const int16_t* chroma, uint8_t* to) {
  constexpr int16_t kMiddle = 128 * 64 - 32;  // taken off, and a half for the rounding: sums then fit 16 bits
  using Half [[gnu::may_alias]] = uint16_t;
  const uint8_t* __restrict luma = video.luma + y * video.luma_row;
  const Colours how = video.colours;
  const int16_t *__restrict red = chroma, *__restrict green = red + video.width + 1, *__restrict blue = green + video.width + 1;
  Half* __restrict halves = reinterpret_cast<Half*>(to);
  for (int64_t x = from; x < end; ++x) {
    const int16_t light = int16_t(product(int16_t((luma[x] - how.black) * 128), how.light) - kMiddle);
    uint16_t r = byte_of(int16_t(light + red[x])), g = byte_of(int16_t(light - green[x])), b = byte_of(int16_t(light + blue[x]));
    if (kGrey) r = g = b = uint16_t((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16);
    halves[2 * x] = uint16_t(r | g << 8);
    halves[2 * x + 1] = b;
  }
}

// The step must be known when this is compiled, for fast code.
inline void chroma_row(const Video& video, int64_t y, int64_t from, int64_t end, int16_t* chroma) {
  (video.chroma_step == 1 ? chroma_row_of<1> : chroma_row_of<2>)(video, y, from, end, chroma);
}

inline void convert_row(const Video& video, int64_t y, int64_t from, int64_t end, const int16_t* chroma, uint8_t* to) {
  (video.grey ? convert_row_to<true> : convert_row_to<false>)(video, y, from, end, chroma, to);
}

}  // namespace underone::UNDERONE_ISA
