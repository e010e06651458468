// Dense and grouped convolutions in float32, straight from the map. Taps that meet nothing but padding are left out, tile by
// tile: with wide dilations on small maps (DeepLab) that is most of them.
#include <algorithm>
#include <cmath>

#include "cell_dense.h"

namespace underone {

Direct::Direct(const StepMaker& m, const Operands& o, const Bundles& bundles)
    : a(m.arithmetic), kernels(*m.arithmetic.direct()), in(o.map(0)), out(o.out_map(0)), window(o.window()), finish(o.finish("")) {
  if (o.has(1)) added = o.map(1).data;
  tiles = ceil_div(out.width, kernels.widest);
  // two rows at once where one would leave registers unused
  rows = out.width <= kernels.widest / 2 && out.height > 1 ? 2 : 1;
  for (const Bundle& bundle : bundles.list) pack(m, bundle);
}

// [panel][tap][block][16][panel's channels]
void Direct::pack(const StepMaker& m, const Bundle& bundle) {
  const int taps = window.taps(), depth = bundle.blocks * 16;
  for (int first = 0; first < bundle.channels; first += kernels.panel) {
    const int wide = std::min(kernels.panel, ceil_div(bundle.channels - first, 16) * 16), count = std::min(wide, bundle.channels - first);
    float* w = reinterpret_cast<float*>(m.arena.take(size_t(taps) * depth * wide * 4));
    float* bias = reinterpret_cast<float*>(m.arena.take(size_t(wide) * 4));
    for (int n = 0; n < count; n++)
      for (size_t k = 0; k < size_t(taps) * depth; k++) w[k * wide + n] = bundle.weight[size_t(first + n) * taps * depth + k];
    if (bundle.bias) std::copy_n(bundle.bias + first, count, bias);
    panels.push_back({w, bias, wide, bundle.in, bundle.out + first / 16, bundle.blocks});
  }
}

void Direct::run(int, const Worker& worker) {
  clear_border(out, worker);
  const int units = ceil_div(out.height, rows), pieces = units * int(panels.size());
  for (int i = worker.first(pieces); i < worker.last(pieces); i++) row(panels[size_t(i / units)], i % units * rows);
}

void Direct::row(const Panel& panel, int y) const {
  const bool clamps = finish.function == Function::none;
  const int count = std::min(rows, out.height - y);
  Tap taps[kMostTaps];
  DirectTile t{nullptr, size_t(window.stride_y) * in.pitch(), size_t(in.pixels()), taps, 0, panel.blocks, panel.bias,
               clamps ? finish.low : -INFINITY, clamps ? finish.high : INFINITY, nullptr, nullptr, size_t(out.pitch()) * kCell, size_t(out.pixels()) * kCell, kCell};
  for (int i = 0; i < tiles; i++) {
    const int x = out.width * i / tiles, pixels = out.width * (i + 1) / tiles - x;
    t.tap_count = taps_of(panel, y, count, x, pixels, taps);
    const long first = long(in.place(0, 0)) + (long(y) * window.stride_y - window.top) * in.pitch() + x * window.stride_x - window.left;
    t.in = in.data + (long(panel.in) * in.pixels() + first) * kCell;
    const size_t at = (size_t(panel.out) * out.pixels() + out.place(y, x)) * kCell;
    t.out = out.data + at, t.added = added ? added + at : nullptr;
    kernels.find(count, pixels, window.stride_x, panel.wide)(t);
  }
  if (clamps) return;
  Rows result = rows_of(out, y);
  result.data += size_t(panel.out) * out.pixels() * kCell;
  a.activate(finish, result, panel.wide / 16, count, out.width);
}

// The taps that meet the image at any pixel of a tile.
int Direct::taps_of(const Panel& panel, int y, int count, int x, int pixels, Tap* taps) const {
  const Window& w = window;
  const size_t size = size_t(panel.blocks) * 16 * panel.wide;
  int found = 0;
  for (int i = 0; i < w.height; i++) {
    const int top = y * w.stride_y - w.top + i * w.dilation_y, bottom = top + (count - 1) * w.stride_y;
    if (bottom < 0 || top >= in.height) continue;
    for (int j = 0; j < w.width; j++) {
      const int left = x * w.stride_x - w.left + j * w.dilation_x, right = left + (pixels - 1) * w.stride_x;
      if (right < 0 || left >= in.width) continue;
      taps[found++] = {long(i) * w.dilation_y * in.pitch() + j * w.dilation_x, panel.weight + (size_t(i) * w.width + j) * size};
    }
  }
  return found;
}

}  // namespace underone
