// Quantised convolutions: weights are packed here, for the kernels of any instruction set.
#include "bytes.h"

#include <algorithm>
#include <cstring>

#include "machine.h"
#include "tensor.h"

namespace underone {

namespace {

// Where a channel of a cell stands among its sums (bytes_simd.h).
int sum_of(int channel) { return channel % 16 / 4 * 16 + channel / 16 * 4 + channel % 4; }

class ByteCells final : public Convolutions {
 public:
  ByteCells(const ByteKernels& kernels, const ByteLoops& loops) : kernels(kernels), loops(loops) { lanes = kByteLanes; }

  Packed pack_product(WeightArena& arena, const Layer& layer, int out, int in) const override {
    const int depth = ceil_div(in, kCell);
    const auto* const from = static_cast<const int8_t*>(layer.weight);
    return pack(arena, layer, out, in, size_t(depth) * 4096, [=](int n, int8_t* to, auto put) {
      for (int k = 0; k < in; k++) put(to + k / 64 * 4096 + sum_of(n % 64) / 16 * 1024 + k % 64 / 4 * 64 + sum_of(n % 64) % 16 * 4 + k % 4, from[size_t(n) * in + k]);
    });
  }
  int panels(const Packed& packed) const override { return ceil_div(packed.out, kByteLanes); }
  int tile_pixels(const Packed&) const override { return kernels.tile_pixels; }
  int round_up(int pixels) const override { return ceil_div(pixels + 15, 16) * 16; }
  size_t product_scratch(const Packed&, int) const override { return 0; }
  size_t operand_bytes() const override { return second_level_cache() / 4; }
  void product(const Product& call) const override { kernels.product(call); }

  bool has_stem(const Window& w, int channels, int) const override {
    return channels == 3 && w.height == 3 && w.width == 3 && w.stride_y == 2 && w.stride_x == 2 && w.dilation_y == 1 && w.dilation_x == 1;
  }
  static int pitch(int out_width) { return ceil_div(2 * out_width + 1, 16) * 16; }  // of the prepared image, in pixels
  size_t image_bytes(int out_height, int out_width) const override { return size_t(2 * out_height + 1) * pitch(out_width) * 4; }
  void prepare_image(const Window& w, const float* planar, int height, int width, int out_height, int out_width, const Quantum& quantum, char* image, int first, int last) const override {
    (void)out_height;
    const int columns = pitch(out_width), count = std::min(width, 2 * out_width + 1 - w.left);
    for (int y = first; y < last; y++) {
      uint32_t* const to = reinterpret_cast<uint32_t*>(image) + size_t(y) * columns;
      std::fill(to, to + columns, uint32_t(quantum.zero) * 0x010101u);
      const int iy = y - w.top;
      if (iy >= 0 && iy < height) loops.interleave(planar + size_t(iy) * width, size_t(height) * width, count, quantum, to + w.left);
    }
  }
  Packed pack_stem(WeightArena& arena, const Layer& layer, int out) const override {
    const auto* const from = static_cast<const int8_t*>(layer.weight);
    return pack(arena, layer, out, 27, kStemBlock, [=](int n, int8_t* to, auto put) {
      for (int c = 0; c < 3; c++)
        for (int t = 0; t < 9; t++) put(to + (t % 3 * 4 + t / 3) * 256 + sum_of(n % 64) * 4 + c, from[(n * 3 + c) * 9 + t]);
    });
  }
  void stem(const Packed& packed, const char* image, int, int out_width, int y, int rows, float low, float high, Rows out) const override {
    kernels.stem(packed, image + size_t(2 * y) * pitch(out_width) * 4, pitch(out_width), rows, out_width, low, high, out);
  }

  Packed pack_depthwise(WeightArena& arena, const Layer& layer, int channels, const Window& w) const override {
    const int taps = w.taps();
    const auto* const from = static_cast<const int8_t*>(layer.weight);
    const size_t set = size_t(ceil_div(w.height, 4)) * w.width * 256;
    return pack(arena, layer, channels, taps, sets_of(w) * set, [=, &w](int n, int8_t* to, auto put) {
      for (int t = 0; t < taps; t++) {
        const int row = t / w.width, group = row / 4 * w.width + t % w.width;
        int8_t* const at = to + group * 256 + sum_of(n % 64) * 4 + row % 4;
        put(at, from[size_t(n) * taps + t]);
        if (sets_of(w) == 2) at[set + 1] = *at;
      }
    });
  }
  void depthwise(const Packed& packed, const Window& window, Rows in, Rows out, int first, int last, int rows, int width, float low, float high) const override {
    kernels.depthwise(packed, window, in, out, first, last, rows, width, low, high);
  }

  void activate(const Finish& finish, Rows rows, int blocks, int height, int width) const override {
    const uint8_t* const table = finish.table->data();
    for (int c = 0; c < blocks; c++)
      for (int y = 0; y < height; y++) {
        auto* const bytes = reinterpret_cast<uint8_t*>(rows.data + (c * rows.block + size_t(y) * rows.row) * kCell);
        for (int i = 0; i < width * kCell; i++) bytes[i] = table[bytes[i]];
      }
  }

 private:
  // Blocks of 64 output channels; `weights(n, block, put)` puts those of channel n.
  template <class F>
  Packed pack(WeightArena& arena, const Layer& layer, int out, int in, size_t block, F weights) const {
    const int blocks = ceil_div(out, 64);
    auto* const w = reinterpret_cast<int8_t*>(arena.take(blocks * block));
    auto* const bias = reinterpret_cast<int32_t*>(arena.take(size_t(blocks) * 256));
    auto* const factor = reinterpret_cast<float*>(arena.take(size_t(blocks) * 512));
    const auto* const given = static_cast<const int32_t*>(layer.bias);
    bool lifted = layer.zero == 0;
    for (int n = 0; n < out; n++) {
      const int sum = sum_of(n % 64), at = n / 64 * 64 + sum;
      int64_t least = given[n], most = given[n];
      bias[at] = given[n];
      factor[n / 64 * 128 + sum] = layer.factors[size_t(n)], factor[n / 64 * 128 + 64 + sum] = -8388608.0f * layer.factors[size_t(n)];
      weights(n, w + size_t(n / 64) * block, [&](int8_t* to, int8_t value) {
        *to = value;
        bias[at] += kernels.offset * value;
        (value < 0 ? least : most) += 255 * value;
      });
      lifted &= least > -kLift && most < (1 << 23);
    }
    for (int i = 0; i < (lifted ? blocks * 64 : 0); i++) bias[i] += kLift;
    return {reinterpret_cast<char*>(w), reinterpret_cast<float*>(bias), in, out, kByteLanes, factor, layer.zero, lifted};
  }

  const ByteKernels& kernels;
  const ByteLoops& loops;
};

}  // namespace

const Bytes& bytes_of(const std::string& isa) {
#if defined(__x86_64__)
  static const ByteKernels tiles{amx::product_bytes, amx::stem_bytes, vnni::byte_kernels.depthwise, 0, 32};
  static const ByteCells on_tiles(tiles, vnni::byte_loops), on_vnni(vnni::byte_kernels, vnni::byte_loops), on_avx2(avx2::byte_kernels, avx2::byte_loops);
  static const Bytes with_tiles{on_tiles, vnni::byte_loops}, with_vnni{on_vnni, vnni::byte_loops}, with_avx2{on_avx2, avx2::byte_loops};
  if (isa == "avx2" || !has_vnni()) return with_avx2;
  return isa == "amx" && has_amx_bytes() ? with_tiles : with_vnni;
#else
  (void)isa;  // the only one
  static const ByteCells cells(neon::byte_kernels, neon::byte_loops);
  static const Bytes bytes{cells, neon::byte_loops};
  return bytes;
#endif
}

}  // namespace underone
