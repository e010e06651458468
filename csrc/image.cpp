// A picture to a tensor: here the weights of the filters, the checks and the scratch memory.
#include "image.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace underone {
namespace {

// The weights that an Axis points to.
struct Weights {
  int64_t words;
  std::vector<int64_t> first, end;
  std::vector<int32_t> high, low;

  Weights(int64_t outputs, int64_t most) : words((most + 3) / 4 * 2), high(size_t(outputs * words)), low(high.size()) {}

  void add(int64_t from, const std::vector<double>& weights) {
    const size_t at = first.size() * size_t(words);
    first.push_back(from);
    end.push_back(from + int64_t(weights.size()));
    for (size_t j = 0; j < weights.size(); j++) {
      const double scaled = weights[j] * (1 << 22);  // lanes.h has the split: 22 bits, of which 15 are the lower part
      const auto fixed = int32_t(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
      const int shift = j % 2 ? 16 : 0;
      high[at + j / 2] |= int32_t(uint32_t((fixed >> 15) & 0xffff) << shift);
      low[at + j / 2] |= int32_t(uint32_t(fixed & 0x7fff) << shift);
    }
  }

  Axis axis() const { return {int64_t(first.size()), words, window(), first.data(), end.data(), high.data(), low.data()}; }

  int64_t window() const {
    int64_t most = 0;
    for (size_t i = 0; i < first.size(); i++) most = std::max(most, end[i] - first[i]);
    return most;
  }
};

double triangle(double x) {
  x = std::fabs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

double cubic(double x) {  // Keys 1981 with a = -0.5
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  return x < 2.0 ? (((x - 5) * x + 8) * x - 4) * a : 0.0;
}

// A resize of one side from `input` to `resized` pixels, of which outputs from `start` on are wanted.
struct Side {
  int64_t input, resized, start, outputs;
  double scale() const { return double(input) / double(resized); }
};

// A filter that reaches `support` pixels to each side, stretched where the picture shrinks: Pillow's antialiasing.
Weights filtered(double (*filter)(double), double support, const Side& side) {
  const double stretch = std::max(side.scale(), 1.0), shrink = 1.0 / stretch;
  support *= stretch;
  Weights all(side.outputs, std::min(side.input, 2 * int64_t(std::ceil(support)) + 1));
  std::vector<double> weights;
  for (int64_t i = side.start; i < side.start + side.outputs; i++) {
    const double center = (double(i) + 0.5) * side.scale();
    const int64_t first = std::max<int64_t>(0, int64_t(center - support + 0.5));
    const int64_t end = std::min(side.input, int64_t(center + support + 0.5));
    double sum = 0;
    weights.clear();
    for (int64_t j = first; j < end; j++) {
      weights.push_back(filter((double(j) - center + 0.5) * shrink));
      sum += weights.back();
    }
    for (double& w : weights) w /= sum;
    all.add(first, weights);
  }
  return all;
}

Weights nearest(const Side& side) {
  Weights all(side.outputs, 1);
  double at = side.scale() * 0.5;
  for (int64_t i = 0; i < side.start + side.outputs; i++, at += side.scale()) {  // summed up, with Pillow's rounding
    if (i >= side.start) all.add(std::min(int64_t(at), side.input - 1), {1.0});
  }
  return all;
}

Weights weights_of(const std::string& filter, const Side& side) {
  if (filter == "nearest") return nearest(side);
  if (filter == "bilinear") return filtered(triangle, 1.0, side);
  if (filter == "bicubic") return filtered(cubic, 2.0, side);
  throw std::invalid_argument("the interpolation is '" + filter + "'; nearest, bilinear or bicubic is required");
}

// The pixels as the resize reads them. They are copied where they are not RGB of 3 or 4 bytes, or narrower than the overread;
// otherwise the last row alone is, to have readable bytes behind it.
class Packed {
 public:
  Packed(const Pixels& pixels, bool grey) : grey_(grey) {
    const int64_t height = pixels.height, width = pixels.width;
    const bool direct = pixels.colour && !grey && pixels.channel == 1 && (pixels.pixel == 3 || pixels.pixel == 4) &&
                        pixels.row >= pixels.pixel * width && pixels.pixel * width >= kOverread;
    const int64_t bytes = direct ? pixels.pixel : 3, length = bytes * width;
    const int64_t copied = direct ? 1 : height;
    copies_.reset(new uint8_t[size_t(copied * length + kOverread)]);
    for (int64_t i = 0; i < copied; i++) {
      const uint8_t* from = pixels.data + (height - copied + i) * pixels.row;
      uint8_t* to = copies_.get() + i * length;
      for (int64_t x = 0; x < width; x++) copy(from + x * pixels.pixel, pixels.colour ? pixels.channel : 0, to + bytes * x);
    }
    picture_ = {direct ? pixels.data : copies_.get(), copies_.get() + (copied - 1) * length, height, width, direct ? pixels.row : length, bytes, nullptr};
  }

  const Picture& picture() const { return picture_; }

 private:
  void copy(const uint8_t* from, int64_t step, uint8_t* to) const {
    const uint32_t r = from[0], g = from[step], b = from[2 * step];
    const uint32_t luma = (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;  // ITU-R 601 in 16 bits, as Pillow has it
    to[0] = uint8_t(grey_ ? luma : r);
    to[1] = uint8_t(grey_ ? luma : g);
    to[2] = uint8_t(grey_ ? luma : b);
  }

  bool grey_;
  std::unique_ptr<uint8_t[]> copies_;
  Picture picture_{};
};

Target target_of(const Input& out, const Preparation& how) {
  Target target{};
  target.data = out.data;
  target.channels_last = out.channels_last;
  target.channels = channels_of(how.color);
  target.height = out.height, target.width = out.width;
  for (int c = 0; c < target.channels; c++) {
    target.source[c] = how.color == "BGR" ? 2 - c : c;
    target.table[c] = how.tables + 256 * c;
  }
  return target;
}

Side side_of(int64_t input, int64_t resized, int64_t start, int64_t outputs) {
  constexpr int64_t most = 1 << 30;
  if (resized > most || start < 0 || start > resized || outputs > resized - start)
    throw std::invalid_argument("the crop of " + std::to_string(outputs) + " pixels from " + std::to_string(start) +
                                " on does not lie in the resized picture of " + std::to_string(resized));
  return {input, resized, start, outputs};
}

ToRgb* rgb_converter(const std::string& isa) {
#if defined(__x86_64__)
  if (isa == "avx512") return avx512::to_rgb;
  if (isa == "avx2") return avx2::to_rgb;
#elif defined(__aarch64__)
  if (isa == "neon") return neon::to_rgb;
#endif
  throw std::invalid_argument("no instruction set '" + isa + "' is built in");
}

template <class Out>
Resample<Out>* resampler(const std::string& isa, bool columns_first) {
#if defined(__x86_64__)
  if (isa == "avx512") return avx512::resampler<Out>(columns_first);
  if (isa == "avx2") return avx2::resampler<Out>(columns_first);
#elif defined(__aarch64__)
  if (isa == "neon") return neon::resampler<Out>(columns_first);
#endif
  throw std::invalid_argument("no instruction set '" + isa + "' is built in");
}

template <class Out>
void run(const Picture& picture, const Weights& across, const Weights& down, const Out& out, bool columns_first, const std::string& isa) {
  Resample<Out>* const resample = resampler<Out>(isa, columns_first);
  Scratch scratch{};
  scratch.row_bytes = (4 * out.width + 4 * kGroup - 1) / (4 * kGroup) * (4 * kGroup);
  scratch.slots = columns_first ? kGroup : down.window() + kGroup;
  scratch.slot_bytes = columns_first ? picture.pixel * picture.width + 2 * kOverread : scratch.row_bytes;
  const int64_t between = scratch.slots * scratch.slot_bytes, finished = kGroup * scratch.row_bytes;
  const std::unique_ptr<uint8_t[]> memory(new uint8_t[size_t(between + finished)]);
  std::vector<const uint8_t*> taps(size_t(2 * down.words));
  std::unique_ptr<uint8_t[]> made;
  std::unique_ptr<int16_t[]> chroma;
  if (picture.video) {
    scratch.made_slots = down.window() + kGroup;
    scratch.made_bytes = 4 * picture.width + 2 * kOverread;
    made.reset(new uint8_t[size_t(scratch.made_slots * scratch.made_bytes)]);
    chroma.reset(new int16_t[size_t(3 * (picture.width + 1))]);
    scratch.made = made.get(), scratch.chroma = chroma.get();
  }
  scratch.between = memory.get();
  scratch.finished = memory.get() + between;
  scratch.taps = taps.data();
  resample(picture, across.axis(), down.axis(), out, scratch);
}

}  // namespace

int channels_of(const std::string& color) {
  if (color != "RGB" && color != "BGR" && color != "GRAY")
    throw std::invalid_argument("the colour is '" + color + "'; RGB, BGR or GRAY is required");
  return color == "GRAY" ? 1 : 3;
}

void prepare(const Pixels& pixels, const Input& out, const Preparation& how, const std::string& isa) {
  const Target target = target_of(out, how);
  const Side across = side_of(pixels.width, how.resized_width, how.left, target.width);
  const Side down = side_of(pixels.height, how.resized_height, how.top, target.height);
  const Packed packed(pixels, how.color == "GRAY");
  run(packed.picture(), weights_of(how.interpolation, across), weights_of(how.interpolation, down), target, how.columns_first, isa);
}

void prepare(Video video, const Input& out, const Preparation& how, const std::string& isa) {
  video.grey = how.color == "GRAY";
  const Target target = target_of(out, how);
  const Weights across = weights_of(how.interpolation, side_of(video.width, how.resized_width, how.left, target.width));
  const Weights down = weights_of(how.interpolation, side_of(video.height, how.resized_height, how.top, target.height));
  const Picture picture{nullptr, nullptr, video.height, video.width, 0, 4, &video};
  run(picture, across, down, target, how.columns_first, isa);
}

void to_rgb(const Video& video, uint8_t* out, const std::string& isa) {
  const std::unique_ptr<uint8_t[]> row(new uint8_t[size_t(4 * video.width)]);
  const std::unique_ptr<int16_t[]> chroma(new int16_t[size_t(3 * (video.width + 1))]);
  rgb_converter(isa)(video, out, row.get(), chroma.get());
}

void resize(const Pixels& pixels, const Resized& out, bool columns_first, const std::string& isa) {
  const Packed packed(pixels, false);
  const Weights across = weights_of("bilinear", side_of(pixels.width, out.width, 0, out.width));
  const Weights down = weights_of("bilinear", side_of(pixels.height, out.height, 0, out.height));
  run(packed.picture(), across, down, Planes{out.data, out.height, out.width, out.mirrored}, columns_first, isa);
}

}  // namespace underone
