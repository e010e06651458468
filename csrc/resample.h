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

// How luma and chroma become colours: red = (luma - black) * light + (red difference - 128) * red, and so on.
struct Colours {
  int16_t black;                                   // in levels
  int16_t light;                                   // in 2^-14
  int16_t red, green_of_red, green_of_blue, blue;  // in 2^-13
};

// Planes of a camera's or a decoder's frame: the chroma has half the rows and half the columns, rounded up; its two
// planes lie apart (step 1) or in pairs (step 2). Strides in bytes.
struct Video {
  const uint8_t *luma, *blue, *red;
  int64_t height, width;
  int64_t luma_row, chroma_row, chroma_step;
  Colours colours;
  bool grey;  // all three channels show the luma of the RGB
};

// 8-bit RGB, three bytes a pixel or four, of which the last is not looked at; behind each row at least `kOverread` bytes are
// readable.
struct Picture {
  const uint8_t* data;
  const uint8_t* last_row;  // may stand elsewhere than the others
  int64_t height, width;
  int64_t row_stride, pixel;  // bytes
  const Video* video;         // rows are made of it instead, four bytes a pixel; null: of `data`
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
  int64_t made_slots;    // rows of a video that stand ready: at least kGroup, and the window of `down`
  int64_t made_bytes;    // of one: 4 * its width + 2 * kOverread
  uint8_t* made;         // (made_slots, made_bytes)
  int16_t* chroma;       // (3, its width + 1)
  const uint8_t** taps;  // (2 * words of `down`)
};

// Needs at least one pixel in picture and `out`, a Target or Planes; the outputs of `across` and `down` are its width and height.
//
// Both ways round to bytes between the passes, so their results differ by a little:
// rows first     along rows first; slots: at least the window of `down`, and kGroup more
// columns first  along columns first; slots: kGroup
template <class Out>
using Resample = void(const Picture& picture, const Axis& across, const Axis& down, const Out& out, const Scratch& scratch);

// The whole frame as it is, (height, width, 3); `row`: (4 * width), `chroma` as in Scratch.
using ToRgb = void(const Video& video, uint8_t* out, uint8_t* row, int16_t* chroma);

namespace avx2 {
template <class Out>
Resample<Out>* resampler(bool columns_first);
ToRgb to_rgb;
}
namespace avx512 {
template <class Out>
Resample<Out>* resampler(bool columns_first);
ToRgb to_rgb;
}
namespace neon {
template <class Out>
Resample<Out>* resampler(bool columns_first);
ToRgb to_rgb;
}

}  // namespace underone
