// A picture to a tensor: resized as Pillow does it, then cut and every byte looked up in a table, or left as bytes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "resample.h"

namespace underone {

// 8-bit pixels somewhere in memory. Strides in bytes.
struct Pixels {
  const uint8_t* data;
  int64_t height, width;
  bool colour;  // three channels, or one without an axis
  int64_t row, pixel, channel;
};

// The network's input: float32, one picture, channels first or last, without gaps.
struct Input {
  float* data;
  int64_t height, width;
  bool channels_last;
};

struct Preparation {
  int64_t resized_height, resized_width;  // of the whole picture
  int64_t top, left;                      // where the input lies in it
  std::string interpolation;              // nearest, bilinear or bicubic
  bool columns_first;
  std::string color;                      // RGB, BGR or GRAY
  const float* tables;                    // [channels][256]
};

int channels_of(const std::string& color);  // throws std::invalid_argument

// Throws std::invalid_argument.
void prepare(const Pixels& pixels, const Input& out, const Preparation& how, const std::string& isa);

// The same from the planes of a frame; `video.grey` is set here.
void prepare(Video video, const Input& out, const Preparation& how, const std::string& isa);

// The frame as it is, to (height, width, 3).
void to_rgb(const Video& video, uint8_t* out, const std::string& isa);

// The whole picture in another size, as bytes.
struct Resized {
  uint8_t* data;  // (3, height, width)
  int64_t height, width;
  bool mirrored;
};

// Bilinear. Throws std::invalid_argument.
void resize(const Pixels& pixels, const Resized& out, bool columns_first, const std::string& isa);

}  // namespace underone
