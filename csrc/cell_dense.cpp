// Dense and grouped convolutions with a window, from map to map.
#include <algorithm>
#include <numeric>

#include "cell_steps.h"
#include "chain.h"

namespace underone {

namespace {

// Groups are put together until they fill whole cells: a bundle is a product of its own, with zeros between its groups.
struct Bundle {
  Packed packed;
  int in = 0, out = 0;  // first blocks
  int blocks = 0;       // input blocks
};

// Unfolds row tiles into the operand of a product.
class Dense : public Step {
 public:
  Dense(const StepMaker& m, const Operands& o) : a(m.arithmetic), in(o.map(0)), out(o.out_map(0)), window(o.window()), finish(o.finish("")) {
    check_window(o, window, in.height, in.width, out);
    o.require(window.top <= in.pad && window.left <= in.pad && (out.height - 1) * window.stride_y + window.reach_y() - window.top <= in.height + in.pad &&
                  (out.width - 1) * window.stride_x + window.reach_x() - window.left <= in.width + in.pad,
              "reads past the border of its map");
    if ((has_added = o.has(1))) {
      added = o.map(1);
      o.require(same_size(added, out) && added.pad == out.pad, "adds a map of another size or border");
    }
    pack(m, o);
    tiles = make_tiles(a, bundles[0].packed, out, bundles[0].blocks * window.taps(), m.threads);
  }
  size_t scratch() const override { return operand_bytes() + a.product_scratch(bundles[0].packed, tiles.pixels) + kCell; }

  void run(int, const Worker& worker) override {
    clear_border(out, worker);
    const int count = int(tiles.list.size()), pieces = count * int(bundles.size());
    for (int i = worker.first(pieces); i < worker.last(pieces); i++) multiply(bundles[size_t(i / count)], tiles.list[size_t(i % count)], worker.scratch);
  }

 private:
  size_t operand_bytes() const { return size_t(bundles[0].blocks) * window.taps() * a.round_up(tiles.pixels) * kCell + kCell; }

  void pack(const StepMaker& m, const Operands& o) {
    const Tensor& w = o.constant(2);
    const int64_t groups = o.integer("group", 1);
    o.require(groups >= 1 && in.channels % groups == 0 && out.channels % groups == 0, "has groups that do not divide its channels");
    const int gi = int(in.channels / groups), go = int(out.channels / groups), lanes = in.lanes;
    o.require(w.shape == Shape{out.channels, gi, window.height, window.width}, "has a weight of another shape");
    const float *weight = static_cast<const float*>(w.data), *bias = o.bias(3, out.channels);
    // as few groups as make whole cells on both sides, or all of them
    const int64_t each = groups == 1 ? 1 : std::min<int64_t>(groups, std::lcm(lanes / std::gcd(gi, lanes), lanes / std::gcd(go, lanes)));
    const int ci = int(each * gi), taps = window.taps();
    const int widest = ceil_div(ci, lanes);
    o.require(int64_t(widest) * lanes * taps < (1 << 24), "has a window outside what is allowed (65536)");
    std::vector<float> ordered;  // (out, tap, channel), channels rounded up to whole cells
    for (int64_t g = 0; g < groups; g += each) {
      const int here = int(std::min(each, groups - g)), co = here * go, blocks = ceil_div(here * gi, lanes), k = blocks * lanes * taps;
      ordered.assign(size_t(co) * k, 0.0f);
      for (int n = 0; n < co; n++)
        for (int c = 0; c < gi; c++)
          for (int t = 0; t < taps; t++)
            ordered[size_t(n) * k + size_t(t) * blocks * lanes + n / go * gi + c] = weight[((g * go + n) * gi + c) * taps + t];
      bundles.push_back({a.pack_product(m.arena, ordered.data(), bias ? bias + g * go : nullptr, co, k), int(g * gi / lanes), int(g * go / lanes), blocks});
    }
  }

  void multiply(const Bundle& bundle, const Tile& tile, char* scratch) const {
    const bool clamps = finish.function == Function::none;
    const int pixels = tile.rows * out.width, stride = a.round_up(pixels);
    Rows from = rows_of(in, tile.y * window.stride_y - window.top, -window.left), to = rows_of(out, tile.y);
    from.data += size_t(bundle.in) * in.pixels() * kCell;
    const size_t at = size_t(bundle.out) * out.pixels() * kCell;
    a.unfold(window, from, bundle.blocks, tile.rows, out.width, scratch, stride);
    a.product({scratch, stride, pixels, &bundle.packed, tile.place.data(), clamps ? finish.low : -INFINITY, clamps ? finish.high : INFINITY, out.data + at, out.pixels(),
               has_added ? added.data + at : nullptr, 0, a.panels(bundle.packed), scratch + operand_bytes()});
    to.data += at;
    if (!clamps) a.activate(finish, to, ceil_div(bundle.packed.out, out.lanes), tile.rows, out.width);
  }

  const Arithmetic& a;
  const Map in, out;
  const Window window;
  const Finish finish;
  Map added;
  bool has_added = false;
  std::vector<Bundle> bundles;
  Tiles tiles;
};

}  // namespace

std::unique_ptr<Step> make_dense(const StepMaker& m, const Operands& o) { return std::make_unique<Dense>(m, o); }

}  // namespace underone
