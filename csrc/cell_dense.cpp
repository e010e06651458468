// Dense and grouped convolutions with a window, from map to map.
#include "cell_dense.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace underone {

Bundles::Bundles(const Operands& o, const Window& window) {
  const Map &in = o.map(0), &out = o.out_map(0);
  const Tensor& w = o.constant(2);
  const int64_t groups = o.integer("group", 1);
  o.require(groups >= 1 && in.channels % groups == 0 && out.channels % groups == 0, "has groups that do not divide its channels");
  const int gi = int(in.channels / groups), go = int(out.channels / groups), lanes = in.lanes, taps = window.taps();
  o.require(w.shape == Shape{out.channels, gi, window.height, window.width}, "has a weight of another shape");
  const float *weight = static_cast<const float*>(w.data), *bias = o.bias(3, out.channels);
  // as few groups as make whole cells on both sides, or all of them
  const int64_t each = groups == 1 ? 1 : std::min<int64_t>(groups, std::lcm(lanes / std::gcd(gi, lanes), lanes / std::gcd(go, lanes)));
  o.require((each * gi + lanes) * taps < (1 << 24), "has a window outside what is allowed (65536)");
  for (int64_t g = 0; g < groups; g += each) {
    const int here = int(std::min(each, groups - g)), blocks = ceil_div(here * gi, lanes), k = blocks * lanes * taps;
    Bundle b{int(g * gi / lanes), int(g * go / lanes), blocks, here * go, std::vector<float>(size_t(here) * go * k), bias ? bias + g * go : nullptr};
    for (int n = 0; n < b.channels; n++)
      for (int c = 0; c < gi; c++)
        for (int t = 0; t < taps; t++)
          b.weight[size_t(n) * k + size_t(t) * blocks * lanes + n / go * gi + c] = weight[((g * go + n) * gi + c) * taps + t];
    list.push_back(std::move(b));
  }
}

namespace {

// Unfolds row tiles into the operand of a product.
class Unfolded : public Step {
 public:
  Unfolded(const StepMaker& m, const Operands& o, const Bundles& bundles) : a(m.arithmetic), in(o.map(0)), out(o.out_map(0)), window(o.window()), finish(o.finish("")) {
    if (o.has(1)) added = o.map(1).data;
    for (const Bundle& b : bundles.list) {
      parts.push_back({a.pack_product(m.arena, {b.weight.data(), b.bias}, b.channels, b.blocks * in.lanes * window.taps()), b.in, b.out, b.blocks});
    }
    tiles = make_tiles(a, parts[0].packed, out, parts[0].blocks * window.taps(), m.threads);
  }
  size_t scratch() const override { return operand_bytes() + a.product_scratch(parts[0].packed, tiles.pixels) + kCell; }

  void run(int, const Worker& worker) override {
    clear_border(out, worker);
    const int count = int(tiles.list.size()), pieces = count * int(parts.size());
    for (int i = worker.first(pieces); i < worker.last(pieces); i++) multiply(parts[size_t(i / count)], tiles.list[size_t(i % count)], worker.scratch);
  }

 private:
  struct Part {
    Packed packed;
    int in, out, blocks;
  };
  size_t operand_bytes() const { return size_t(parts[0].blocks) * window.taps() * a.round_up(tiles.pixels) * kCell + kCell; }

  void multiply(const Part& part, const Tile& tile, char* scratch) const {
    const bool clamps = finish.function == Function::none;
    const int pixels = tile.rows * out.width, stride = a.round_up(pixels);
    Rows from = rows_of(in, tile.y * window.stride_y - window.top, -window.left), to = rows_of(out, tile.y);
    from.data += size_t(part.in) * in.pixels() * kCell;
    const size_t at = size_t(part.out) * out.pixels() * kCell;
    unfold(window, from, part.blocks, tile.rows, out.width, scratch, stride);
    a.product({scratch, stride, pixels, &part.packed, tile.place.data(), clamps ? finish.low : -INFINITY, clamps ? finish.high : INFINITY, out.data + at, out.pixels(),
               added ? added + at : nullptr, 0, a.panels(part.packed), scratch + operand_bytes()});
    to.data += at;
    if (!clamps) a.activate(finish, to, ceil_div(part.packed.out, out.lanes), tile.rows, out.width);
  }

  const Arithmetic& a;
  const Map in, out;
  const Window window;
  const Finish finish;
  const char* added = nullptr;
  std::vector<Part> parts;
  Tiles tiles;
};

}  // namespace

std::unique_ptr<Step> make_dense(const StepMaker& m, const Operands& o) {
  const Map &in = o.map(0), &out = o.out_map(0);
  const Window w = o.window();
  check_window(o, w, in.height, in.width, out);
  o.require(w.top <= in.pad && w.left <= in.pad && (out.height - 1) * w.stride_y + w.reach_y() - w.top <= in.height + in.pad &&
                (out.width - 1) * w.stride_x + w.reach_x() - w.left <= in.width + in.pad,
            "reads past the border of its map");
  o.require(!o.has(1) || (same_size(o.map(1), out) && o.map(1).pad == out.pad), "adds a map of another size or border");
  const Bundles bundles(o, w);
  if (Direct::can(m.arithmetic, w)) return std::make_unique<Direct>(m, o, bundles);
  return std::make_unique<Unfolded>(m, o, bundles);
}

}  // namespace underone
