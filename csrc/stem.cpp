#include "stem.h"

namespace underone {

Map ImageRows::map_of(const Convolutions& a, const Place& image, const Window& w, int channels) {
  const Shape& s = image.tensor.shape;
  auto out = [](int64_t size, int before, int after, int reach, int stride) { return int((size + before + after - reach) / stride + 1); };
  return {channels, out(s[2], w.top, w.bottom, w.reach_y(), w.stride_y), out(s[3], w.left, w.right, w.reach_x(), w.stride_x), 0, a.lanes, nullptr};
}

bool ImageRows::possible(const Convolutions& a, const Place& image, const Window& w, const Map& map) {
  return a.has_stem(w, int(image.tensor.shape[1]), map.width) && w.top < 3 && w.left < 3;
}

ImageRows::ImageRows(const StepMaker& m, const Place& image, const Window& window, const Map& map, const Layer& layer, const Quantum& quantum)
    : a(m.of(map)), image(image), window(window), quantum(quantum), map(map), packed(a.pack_stem(m.arena, layer, map.channels)), prepared(allocate(a.image_bytes(map.height, map.width))) {}

void ImageRows::prepare(const Worker& worker) const {
  const int rows = 2 * map.height + 1;
  a.prepare_image(window, reinterpret_cast<const float*>(*image.data), int(image.tensor.shape[2]), int(image.tensor.shape[3]), map.height, map.width, quantum, prepared.get(), worker.first(rows), worker.last(rows));
}

void ImageRows::make(int y, int rows, float low, float high, Rows out) const { a.stem(packed, prepared.get(), map.height, map.width, y, rows, low, high, out); }

}  // namespace underone
