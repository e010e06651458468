// Pictures of 8 bits to a tensor in one pass over the rows: resize, crop, colour order, normalisation, layout.
#pragma once
#include <cstdint>

namespace underone {

// Weights of a resize along one axis, for the outputs that are wanted, cut as lanes.h needs them.
// Output i is the sum over first[i] <= j < end[i] of input[j] times its weight.
struct Axis {
  int64_t outputs = 0;
  int64_t words = 0;                                  // of one output; even
  int64_t window = 0;                                 // largest end - first
  const int64_t *first = nullptr, *end = nullptr;     // (outputs), neither ever falls
  const int32_t *high = nullptr, *low = nullptr;      // (outputs, words): two weights a word, the first in the lower half
};

// 8-bit RGB, three bytes a pixel or four, of which the last is not looked at; behind each row at least `kOverread` bytes are
// readable.
struct Picture {
  const uint8_t* data;
  const uint8_t* last_row;  // may stand elsewhere than the others
  int64_t height, width;
  int64_t row_stride, pixel;  // bytes
};

// The tensor (channels, height, width), or (height, width, channels) if `channels_last`.
struct Target {
  float* data;
  int64_t height, width, channels;
  bool channels_last;
  int source[3];          // channel of the picture that each channel of the tensor shows
  const float* table[3];  // (256) value of each byte in each channel of the tensor
};

// The bytes as they are, (3, height, width); `mirrored`: the right is left.
struct Planes {
  uint8_t* data;
  int64_t height, width;
  bool mirrored;
};

constexpr int64_t kGroup = 8;      // rows that are resized together, and pixels that a row is rounded up to
constexpr int64_t kOverread = 32;  // bytes that may be read past the end of a row

// Scratch of one call; every part may be uninitialised.
struct Scratch {
  int64_t slots;         // rows between the passes
  int64_t slot_bytes;    // of one: `row_bytes`, or for columns first a row of the picture + 2 * kOverread
  int64_t row_bytes;     // of a finished row: 4 * width of the target, rounded up to 4 * kGroup
  uint8_t* between;      // (slots, slot_bytes)
  uint8_t* finished;     // (kGroup, row_bytes)
  const uint8_t** taps;  // (2 * words of `down`)
};

// Needs at least one pixel in picture and `out`, a Target or Planes; the outputs of `across` and `down` are its width and height.
//
// Both ways round to bytes between the passes, so their results differ by a little:
// rows first     along rows first; slots: at least the window of `down`, and kGroup more
// columns first  along columns first; slots: kGroup
template <class Out>
using Resample = void(const Picture& picture, const Axis& across, const Axis& down, const Out& out, const Scratch& scratch);

namespace avx2 {
template <class Out>
Resample<Out>* resampler(bool columns_first);
}
namespace avx512 {
template <class Out>
Resample<Out>* resampler(bool columns_first);
}
namespace neon {
template <class Out>
Resample<Out>* resampler(bool columns_first);
}

}  // namespace underone
