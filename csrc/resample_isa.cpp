// Pillow's 8-bit resize, bit for bit: along one side, rounded to bytes, then along the other, rounded to bytes.
//
// What stands between the passes is a few rows: a picture of any height goes through a few kilobytes, and what the crop does
// not need is never read.
#include "resample.h"

#include <algorithm>
#include <cstring>

#include "lanes.h"
#include "video_rows.h"

namespace underone::UNDERONE_ISA {
namespace {

constexpr int64_t kVectors = kGroup / kPixels;  // in flight

// The rows of a picture. Those of a video are made when they are asked for, in rising order, and stand in a ring.
class Rows {
 public:
  Rows(const Picture& picture, const Axis& across, const Scratch& scratch)
      : picture_(picture), scratch_(scratch), from_(across.first[0] / 2 * 2), end_(across.end[across.outputs - 1]) {
    constexpr int64_t kWhole = 64;  // pixels of a step of the loop that makes a row: its remainder is slower than a step
    if (picture.video) end_ = std::min(picture.width, from_ + (end_ - from_ + kWhole - 1) / kWhole * kWhole);
  }

  const uint8_t* operator()(int64_t y) {
    if (!picture_.video) return y == picture_.height - 1 ? picture_.last_row : picture_.data + y * picture_.row_stride;
    uint8_t* const row = scratch_.made + y % scratch_.made_slots * scratch_.made_bytes;
    if (y >= next_) {
      if (y / 2 != chroma_) chroma_row(*picture_.video, y, from_, end_, scratch_.chroma);
      convert_row(*picture_.video, y, from_, end_, scratch_.chroma, row);
      chroma_ = y / 2;
      next_ = y + 1;
    }
    return row;
  }

 private:
  const Picture& picture_;
  const Scratch& scratch_;
  int64_t from_, end_;  // columns
  int64_t next_ = 0, chroma_ = -1;
};

// Resizes kGroup rows along their length, from RGB, kBytes a pixel, to four bytes a pixel; they begin at pixel `start`.
// kTaps: no output has weights for more pixels, 2 where a picture is enlarged, 4 where it is halved at the most; 0: any number.
template <int kBytes, int kTaps>
void resize_rows(const uint8_t* const* rows, int64_t start, const Axis& across, uint8_t* const* to) {
  for (int64_t x = 0; x < across.outputs; ++x) {
    const int32_t* high = across.high + x * across.words;
    const int32_t* low = across.low + x * across.words;
    const int64_t fours = kTaps ? 1 : (across.end[x] - across.first[x] + 3) / 4;
    Sums upper[kVectors], lower[kVectors];
#pragma GCC unroll 8
    for (int64_t v = 0; v < kVectors; ++v) upper[v] = zero_sums(), lower[v] = half_a_byte();
    for (int64_t j = 0; j < fours; ++j) {
      const int64_t at = kBytes * (across.first[x] - start + 4 * j);
#pragma GCC unroll 8
      for (int64_t v = 0; v < kVectors; ++v) {
        const auto pixels = FourPixels<kBytes>::load(rows + v * kPixels, at);
        upper[v] = multiply_add(upper[v], pixels.first(), high[2 * j]);
        lower[v] = multiply_add(lower[v], pixels.first(), low[2 * j]);
        if (kTaps == 2) continue;
        upper[v] = multiply_add(upper[v], pixels.second(), high[2 * j + 1]);
        lower[v] = multiply_add(lower[v], pixels.second(), low[2 * j + 1]);
      }
    }
#pragma GCC unroll 8
    for (int64_t v = 0; v < kVectors; ++v) store_pixels(to + v * kPixels, 4 * x, bytes_of(upper[v], lower[v]));
  }
}

using ResizeRows = void(const uint8_t* const* rows, int64_t start, const Axis& across, uint8_t* const* to);

ResizeRows* rows_resizer(const Picture& picture, const Axis& across) {
  const auto of = [&](ResizeRows* three, ResizeRows* four) { return picture.pixel == 3 ? three : four; };
  if (across.window <= 2) return of(resize_rows<3, 2>, resize_rows<4, 2>);
  if (across.window <= 4) return of(resize_rows<3, 4>, resize_rows<4, 4>);
  return of(resize_rows<3, 0>, resize_rows<4, 0>);
}

// Makes one row of `length` bytes, rounded up to 4 * kGroup: output `y` of `down`, from the rows that it has weights for.
void resize_columns(const uint8_t* const* rows, const Axis& down, int64_t y, int64_t length, uint8_t* to) {
  const int32_t* high = down.high + y * down.words;
  const int32_t* low = down.low + y * down.words;
  const int64_t words = (down.end[y] - down.first[y] + 1) / 2;
  for (int64_t i = 0; i < length; i += 4 * kGroup) {
    Sums upper[kVectors], lower[kVectors];
#pragma GCC unroll 8
    for (int64_t v = 0; v < kVectors; ++v) upper[v] = zero_sums(), lower[v] = half_a_byte();
    for (int64_t j = 0; j < words; ++j) {
#pragma GCC unroll 8
      for (int64_t v = 0; v < kVectors; ++v) {
        const int64_t at = i + 4 * v * kPixels;
        const Pairs values = interleave(rows[2 * j] + at, rows[2 * j + 1] + at);
        upper[v] = multiply_add(upper[v], values, high[j]);
        lower[v] = multiply_add(lower[v], values, low[j]);
      }
    }
#pragma GCC unroll 8
    for (int64_t v = 0; v < kVectors; ++v) store(to + i + 4 * v * kPixels, bytes_of(upper[v], lower[v]));
  }
}

// Writes row `y` of the tensor from four bytes a pixel.
void put_row(const uint8_t* row, int64_t y, const Target& target) {
  for (int64_t c = 0; c < target.channels; ++c) {
    const uint8_t* from = row + target.source[c];
    const float* table = target.table[c];
    if (target.channels_last) {
      float* to = target.data + y * target.width * target.channels + c;
      for (int64_t x = 0; x < target.width; ++x) to[x * target.channels] = table[from[4 * x]];
    } else {
      float* to = target.data + (c * target.height + y) * target.width;
      for (int64_t x = 0; x < target.width; ++x) to[x] = table[from[4 * x]];
    }
  }
}

// Four bytes are read at once and shifted: that is vectorised, steps of four bytes are not.
uint8_t channel_of(const uint8_t* pixel, int64_t c) {
  uint32_t all;
  std::memcpy(&all, pixel, sizeof all);
  return uint8_t(all >> 8 * c);
}

void put_row(const uint8_t* row, int64_t y, const Planes& planes) {
  const int64_t width = planes.width;
  for (int64_t c = 0; c < 3; ++c) {
    uint8_t* __restrict to = planes.data + (c * planes.height + y) * width;
    if (planes.mirrored) {
      for (int64_t x = 0; x < width; ++x) to[width - 1 - x] = channel_of(row + 4 * x, c);
    } else {
      for (int64_t x = 0; x < width; ++x) to[x] = channel_of(row + 4 * x, c);
    }
  }
}

// The ring: row y of the picture, resized along its length, stands in slot y % slots until no output needs it.
template <class Out>
void resample_rows_first(const Picture& picture, const Axis& across, const Axis& down, const Out& out, const Scratch& scratch) {
  ResizeRows* const resize = rows_resizer(picture, across);
  Rows row_of(picture, across, scratch);
  const auto slot = [&](int64_t y) { return scratch.between + y % scratch.slots * scratch.slot_bytes; };
  uint8_t* const spare = scratch.finished + scratch.row_bytes;
  int64_t done = 0;  // rows before it are in the ring, as far as they are needed
  for (int64_t y = 0; y < down.outputs; ++y) {
    const int64_t first = down.first[y], end = down.end[y];
    if (done < first) done = first;
    for (; done < end; done += kGroup) {
      const uint8_t* from[kGroup];
      uint8_t* to[kGroup];
      for (int64_t i = 0; i < kGroup; ++i) {
        const bool inside = done + i < picture.height;
        from[i] = row_of(inside ? done + i : done);
        to[i] = inside ? slot(done + i) : spare;
      }
      resize(from, 0, across, to);
    }
    for (int64_t j = 0; j < end - first; ++j) scratch.taps[j] = slot(first + j);
    if ((end - first) % 2) scratch.taps[end - first] = slot(first);  // fills the last pair; it has no weight
    resize_columns(scratch.taps, down, y, scratch.row_bytes, scratch.finished);
    put_row(scratch.finished, y, out);
  }
}

template <class Out>
void resample_columns_first(const Picture& picture, const Axis& across, const Axis& down, const Out& out, const Scratch& scratch) {
  Rows row_of(picture, across, scratch);
  const int64_t start = across.first[0], length = picture.pixel * (across.end[across.outputs - 1] - start);
  for (int64_t y = 0; y < down.outputs; y += kGroup) {
    const int64_t count = down.outputs - y < kGroup ? down.outputs - y : kGroup;
    const uint8_t* from[kGroup];
    uint8_t* to[kGroup];
    for (int64_t i = 0; i < kGroup; ++i) {
      from[i] = scratch.between + (i < count ? i : 0) * scratch.slot_bytes;
      to[i] = scratch.finished + i * scratch.row_bytes;
    }
    for (int64_t i = 0; i < count; ++i) {
      const int64_t first = down.first[y + i], end = down.end[y + i];
      for (int64_t j = 0; j < end - first; ++j) scratch.taps[j] = row_of(first + j) + picture.pixel * start;
      if ((end - first) % 2) scratch.taps[end - first] = scratch.taps[0];  // fills the last pair; it has no weight
      resize_columns(scratch.taps, down, y + i, length, scratch.between + i * scratch.slot_bytes);
    }
    rows_resizer(picture, across)(from, start, across, to);
    for (int64_t i = 0; i < count; ++i) put_row(to[i], y + i, out);
  }
}

}  // namespace

template <class Out>
Resample<Out>* resampler(bool columns_first) {
  return columns_first ? resample_columns_first<Out> : resample_rows_first<Out>;
}

void to_rgb(const Video& video, uint8_t* out, uint8_t* row, int16_t* chroma) {
  for (int64_t y = 0; y < video.height; ++y) {
    if (y % 2 == 0) chroma_row(video, y, 0, video.width, chroma);
    convert_row(video, y, 0, video.width, chroma, row);
    uint8_t* const to = out + y * video.width * 3;
    for (int64_t x = 0; x < video.width; ++x)
      for (int64_t c = 0; c < 3; ++c) to[3 * x + c] = row[4 * x + c];
  }
}

template Resample<Target>* resampler<Target>(bool columns_first);
template Resample<Planes>* resampler<Planes>(bool columns_first);

}  // namespace underone::UNDERONE_ISA
