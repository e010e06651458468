// Rows of a camera's or a decoder's frame as RGB, in the float32 steps of ITU-R BT.601 and BT.709, none of them fused.
#pragma once

#include <cmath>
#include <cstdint>

#include "resample.h"

namespace underone::UNDERONE_ISA {

inline int32_t byte_of(float value) {
  value = value > 0.0f ? value : 0.0f;
  value = value < 255.0f ? value : 255.0f;
  return int32_t(std::nearbyint(value));
}

// Each number twice, side by side.
inline void twice(const float* __restrict from, int64_t count, float* to) {
  using Bits [[gnu::may_alias]] = uint32_t;
  using Pair [[gnu::may_alias, gnu::aligned(4)]] = uint64_t;
  const Bits* bits = reinterpret_cast<const Bits*>(from);
  Pair* __restrict pairs = reinterpret_cast<Pair*>(to);
  for (int64_t i = 0; i < count; ++i) pairs[i] = bits[i] | uint64_t(bits[i]) << 32;
}

// The scaled differences of blue and of red in row `y`, for pixels `from` (even) to `end`: (2, width + 1).
template <int64_t kStep>
void chroma_row_of(const Video& video, int64_t y, int64_t from, int64_t end, float* chroma) {
  constexpr int64_t kBlock = 64;
  using Both [[gnu::may_alias, gnu::aligned(1)]] = uint16_t;
  const uint8_t* const blue = video.blue + y / 2 * video.chroma_row;
  const uint8_t* const red = video.red + y / 2 * video.chroma_row;
  const float scale = video.colours.chroma;
  const int64_t last = (end + 1) / 2;
  for (int64_t start = from / 2; start < last; start += kBlock) {
    const int64_t count = last - start < kBlock ? last - start : kBlock;
    float b[kBlock], r[kBlock];
    if (kStep == 2) {  // neighbours, read together
      const Both* const both = reinterpret_cast<const Both*>(blue < red ? blue : red) + start;
      float *const lower = blue < red ? b : r, *const upper = blue < red ? r : b;
      for (int64_t i = 0; i < count; ++i) {
        lower[i] = (float(both[i] & 0xff) - 128.0f) * scale;
        upper[i] = (float(both[i] >> 8) - 128.0f) * scale;
      }
    } else {
      for (int64_t i = 0; i < count; ++i) b[i] = (float(blue[start + i]) - 128.0f) * scale;
      for (int64_t i = 0; i < count; ++i) r[i] = (float(red[start + i]) - 128.0f) * scale;
    }
    twice(b, count, chroma + 2 * start);
    twice(r, count, chroma + video.width + 1 + 2 * start);
  }
}

// Four bytes a pixel, of which the last is 0. kGrey: all show the luma of the RGB, as image.cpp has it.
template <bool kGrey>
void convert_row_to(const Video& video, int64_t y, int64_t from, int64_t end, const float* chroma, uint8_t* to) {
  const uint8_t* __restrict luma = video.luma + y * video.luma_row;
  const Colours how = video.colours;
  const float *__restrict blue = chroma, *__restrict red = chroma + video.width + 1;
  int32_t* __restrict pixels = reinterpret_cast<int32_t*>(to);
  for (int64_t x = from; x < end; ++x) {
    const float light = (float(luma[x]) - how.black) * how.light;
    int32_t r = byte_of(light + red[x] * how.red);
    int32_t g = byte_of(light - red[x] * how.green_of_red - blue[x] * how.green_of_blue);
    int32_t b = byte_of(light + blue[x] * how.blue);
    if (kGrey) r = g = b = (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;
    pixels[x] = r | g << 8 | b << 16;
  }
}

// The step must be known when this is compiled, for fast code.
inline void chroma_row(const Video& video, int64_t y, int64_t from, int64_t end, float* chroma) {
  (video.chroma_step == 1 ? chroma_row_of<1> : chroma_row_of<2>)(video, y, from, end, chroma);
}

inline void convert_row(const Video& video, int64_t y, int64_t from, int64_t end, const float* chroma, uint8_t* to) {
  (video.grey ? convert_row_to<true> : convert_row_to<false>)(video, y, from, end, chroma, to);
}

}  // namespace underone::UNDERONE_ISA
