#include "steps.h"

#include <algorithm>
#include <cstring>
#include <functional>

#include "cell_steps.h"
#include "chain.h"
#include "operands.h"
#include "stem.h"

namespace underone {

namespace {

using Make = std::unique_ptr<Step> (*)(const StepMaker&, const Operands&);

bool is_quantised(const std::vector<Place>& places) {
  return std::any_of(places.begin(), places.end(), [](const Place& p) { return p.is_map && p.map.lanes == kByteLanes; });
}

// Dense convolution of a planar image with few channels into a map.
class Stem : public Step {
 public:
  Stem(const StepMaker& m, const Operands& o) : a(m.arithmetic), in(o.plain(0)), out(o.out_map(0)), finish(o.finish("")), window(o.window()) {
    const Tensor weight = o.constant(1);
    o.require(in.tensor.shape.size() == 4 && in.tensor.shape[0] == 1 && elements(in.tensor.shape) > 0, "takes one planar image");
    channels = int(in.tensor.shape[1]), height = int(in.tensor.shape[2]), width = int(in.tensor.shape[3]);
    o.require(weight.shape == Shape{out.channels, channels, window.height, window.width}, "has a weight of another shape");
    check_window(o, window, height, width, out);
    const float *w = static_cast<const float*>(weight.data), *b = o.bias(2, out.channels);
    if (ImageRows::possible(a, in, window, out)) {
      fast = std::make_unique<ImageRows>(m, in, window, out, Layer{w, b}, Quantum{});
    } else {
      const int taps = row_taps(window, a.lanes), lines = channels * window.height;
      std::vector<float> ordered(size_t(out.channels) * lines * taps, 0.0f);
      for (size_t i = 0; i < size_t(out.channels) * lines; i++) std::copy_n(w + i * window.width, window.width, ordered.data() + i * taps);
      packed = a.pack_product(m.arena, {ordered.data(), b}, out.channels, lines * taps);
      tiles = make_tiles(a, packed, out, ceil_div(packed.in, a.lanes), m.threads);
    }
  }
  int phases() const override { return fast ? 2 : 1; }
  size_t scratch() const override { return fast ? 0 : operand_bytes() + a.product_scratch(packed, tiles.pixels); }
  size_t operand_bytes() const { return size_t(ceil_div(packed.in, a.lanes)) * a.round_up(tiles.pixels) * kCell + 64; }

  void run(int phase, const Worker& worker) override {
    if (fast && phase == 0) return fast->prepare(worker);
    clear_border(out, worker);
    const bool plain = finish.function == Function::none;
    const float low = plain ? finish.low : -INFINITY, high = plain ? finish.high : INFINITY;
    if (fast) {
      const int y = worker.first(out.height), rows = worker.last(out.height) - y;
      if (!rows) return;
      fast->make(y, rows, low, high, rows_of(out, y));
      if (!plain) a.activate(finish, rows_of(out, y), out.blocks(), rows, out.width);
      return;
    }
    const float* planar = reinterpret_cast<const float*>(*in.data);
    for (int t = worker.first(int(tiles.list.size())); t < worker.last(int(tiles.list.size())); t++) {
      const Tile& tile = tiles.list[t];
      const int pixels = tile.rows * out.width, stride = a.round_up(pixels);
      a.unfold_planar(window, planar, channels, height, width, tile.y, tile.rows, out.width, worker.scratch, stride);
      a.product({worker.scratch, stride, pixels, &packed, tile.place.data(), low, high, out.data, out.pixels(), nullptr, 0, a.panels(packed), worker.scratch + operand_bytes()});
      if (!plain) a.activate(finish, rows_of(out, tile.y), out.blocks(), tile.rows, out.width);
    }
  }

 private:
  const Arithmetic& a;
  Place in;
  Map out;
  Finish finish;
  Window window;
  Packed packed;
  Tiles tiles;
  std::unique_ptr<ImageRows> fast;
  int channels, height, width;
};

// Planar float32 to a map, or back: threads share the channel blocks.
class Load : public Step {
 public:
  Load(const StepMaker& m, const Operands& o) : a(m.arithmetic), in(o.plain(0)), out(o.out_map(0)) {
    o.require(in.tensor.shape == Shape{1, out.channels, out.height, out.width}, "has another shape than its map");
  }
  void run(int, const Worker& worker) override {
    clear_border(out, worker);
    a.load(reinterpret_cast<const float*>(*in.data), out.channels, out.height, out.width, rows_of(out, 0), worker.first(out.blocks()), worker.last(out.blocks()));
  }

 private:
  const Arithmetic& a;
  Place in;
  Map out;
};

class Store : public Step {
 public:
  Store(const StepMaker& m, const Operands& o) : a(m.arithmetic), in(o.map(0)), out(o.out_plain(0)) {
    o.require(out.tensor.shape == Shape{1, in.channels, in.height, in.width}, "has another shape than its map");
  }
  void run(int, const Worker& worker) override {
    a.store(rows_of(in, 0), reinterpret_cast<float*>(*out.data), in.channels, in.height, in.width, worker.first(in.blocks()), worker.last(in.blocks()));
  }

 private:
  const Arithmetic& a;
  Map in;
  Place out;
};

// Functions, sums and products by channel on maps of one size.
class Pointwise : public Step {
 public:
  Pointwise(const StepMaker& m, const Operands& o) : a(m.arithmetic), kind(o.op.name), in(o.map(0)), out(o.out_map(0)), finish(o.finish("")) {
    o.require(same_size(in, out), "has maps of different sizes");
    if (kind == "cells.add") {
      other = o.map(1);
      o.require(same_size(in, other), "has maps of different sizes");
    } else if (kind == "cells.scale") {
      factors = o.plain(1);
      o.require(elements(factors.tensor.shape) == in.channels && factors.tensor.type == Type::float32, "needs one factor for every channel");
    }
  }
  void run(int, const Worker& worker) override {
    clear_border(out, worker);
    const int first = worker.first(in.blocks()), last = worker.last(in.blocks());
    const Rows from = from_block(rows_of(in, 0), first), to = from_block(rows_of(out, 0), first);
    if (kind == "cells.scale") {
      a.scale(finish, rows_of(in, 0), reinterpret_cast<const float*>(*factors.data), rows_of(out, 0), first, last, in.channels, in.height, in.width);
    } else if (kind == "cells.add") {
      a.add(finish, from, from_block(rows_of(other, 0), first), to, last - first, in.height, in.width);
    } else {
      for (int c = 0; c < last - first; c++)
        for (int y = 0; y < in.height; y++)
          std::memcpy(to.data + (c * to.block + y * to.row) * kCell, from.data + (c * from.block + y * from.row) * kCell, size_t(in.width) * kCell);
      a.activate(finish, to, last - first, in.height, in.width);
    }
  }

 private:
  static Rows from_block(Rows rows, int block) { return {rows.data + block * rows.block * kCell, rows.block, rows.row}; }
  const Arithmetic& a;
  std::string kind;
  Map in, out, other;
  Place factors;
  Finish finish;
};

// Mean of every channel, into a plain tensor.
class Mean : public Step {
 public:
  Mean(const StepMaker& m, const Operands& o) : a(m.arithmetic), in(o.map(0)), out(o.out_plain(0)) {
    o.require(elements(out.tensor.shape) == in.channels && in.height > 0 && in.width > 0, "gives one number for every channel");
  }
  void run(int, const Worker& worker) override {
    a.mean(rows_of(in, 0), reinterpret_cast<float*>(*out.data), worker.first(in.blocks()), worker.last(in.blocks()), in.channels, in.height, in.width);
  }

 private:
  const Arithmetic& a;
  Map in;
  Place out;
};

// A vector times a matrix; weight (out, in).
class Linear : public Step {
 public:
  Linear(const StepMaker& m, const Operands& o) : a(m.arithmetic), in(o.plain(0)), out(o.out_plain(0)), finish(o.finish("")) {
    const Tensor weight = o.constant(1);
    o.require(weight.shape.size() == 2 && elements(in.tensor.shape) == weight.shape[1] && elements(out.tensor.shape) == weight.shape[0], "has a weight of another shape");
    packed = a.pack_linear(m.arena, static_cast<const float*>(weight.data), o.bias(2, weight.shape[0]), int(weight.shape[0]), int(weight.shape[1]));
  }
  void run(int, const Worker& worker) override {
    const int blocks = ceil_div(packed.out, 16);
    a.linear(packed, finish, reinterpret_cast<const float*>(*in.data), reinterpret_cast<float*>(*out.data), worker.first(blocks), worker.last(blocks));
  }

 private:
  const Arithmetic& a;
  Place in, out;
  Finish finish;
  Packed packed;
};

template <class T>
std::unique_ptr<Step> made(const StepMaker& maker, const Operands& operands) { return std::make_unique<T>(maker, operands); }

struct StepRow {
  const char* name;
  Make make;
  bool on_bytes = false;  // whether it knows quantised maps
};
const StepRow kSteps[] = {
    {"cells.chain", made<Chain>, true}, {"cells.stem", made<Stem>},       {"cells.load", made<Load>},
    {"cells.bytes_stem", make_bytes_stem, true}, {"cells.quantize", make_quantize, true}, {"cells.dequantize", make_dequantize, true},
    {"cells.bytes_add", make_bytes_binary, true}, {"cells.bytes_scale", make_bytes_binary, true},
    {"cells.bytes_table", make_bytes_table, true}, {"cells.bytes_mean", make_bytes_mean, true},
    {"cells.store", made<Store>},    {"cells.add", made<Pointwise>},   {"cells.scale", made<Pointwise>},
    {"cells.function", made<Pointwise>}, {"cells.mean", made<Mean>},   {"cells.linear", made<Linear>},
    {"cells.pool", make_pool},       {"cells.resize", make_resize, true}, {"cells.concat", make_concat, true},
    {"cells.affine", make_affine},   {"cells.dense", make_dense},
    {"cells.matmul", make_matmul},   {"cells.labels", make_labels},
    {"cells.rows", make_rows, true},
};

}  // namespace

std::unique_ptr<Step> make_cells_step(const StepMaker& maker, const Op& op, const std::vector<Place>& in, const std::vector<Place>& out) {
  for (const StepRow& row : kSteps) {
    if (op.name != row.name) continue;
    const Operands operands{op, in, out, maker.file};
    operands.require(row.on_bytes || !(is_quantised(in) || is_quantised(out)), "takes no quantised maps");
    return row.make(maker, operands);
  }
  throw Unsupported(op.name + " is no step of the native engine");
}

}  // namespace underone
