// Steps on quantised maps beside the chain (bytes.h).
#include <cstring>

#include "cell_steps.h"
#include "stem.h"

namespace underone {

namespace {

Rows block_of(const Map& m, int block) {
  Rows rows = rows_of(m, 0);
  rows.data += size_t(block) * m.pixels() * kCell;
  return rows;
}

// Dense 3x3 window of stride 2 over an image of 3 planes.
class Stem : public Step {
 public:
  Stem(const StepMaker& m, const Operands& o) : out(o.out_map(0)), finish(o.finish("")), border(o.byte("border")), a(m.of(out)), rows(rows_for(m, o)) {
    o.require(finish.function == Function::none || finish.table, "ends with a function that is no table");
  }
  int phases() const override { return 2; }
  void run(int phase, const Worker& worker) override {
    if (phase == 0) return rows.prepare(worker);
    clear_border(out, worker, border);
    const int y = worker.first(out.height), count = worker.last(out.height) - y;
    if (!count) return;
    rows.make(y, count, finish.low, finish.high, rows_of(out, y));
    if (finish.function != Function::none) a.activate(finish, rows_of(out, y), out.blocks(), count, out.width);
  }

 private:
  static ImageRows rows_for(const StepMaker& m, const Operands& o) {
    const Place& image = o.plain(0);
    const Map& out = o.out_map(0);
    const Window window = o.window();
    const Shape& s = image.tensor.shape;
    o.require(out.lanes == kByteLanes && s.size() == 4 && s[0] == 1 && elements(s) > 0 && o.shape(1) == Shape{out.channels, s[1], window.height, window.width}, "has a stem that does not fit its image");
    check_window(o, window, int(s[2]), int(s[3]), out);
    o.require(ImageRows::possible(m.of(out), image, window, out), "has a stem that is no 3x3 window of stride 2 on 3 channels");
    return {m, image, window, out, o.layer(1, out.channels, true), o.quantum("image")};
  }
  const Map out;
  const Finish finish;
  const int border;
  const Convolutions& a;
  const ImageRows rows;
};

// A plain tensor of one image to a quantised map: float32 is quantised, bytes are taken as they are.
class Quantize : public Step {
 public:
  Quantize(const StepMaker& m, const Operands& o) : loops(m.bytes.loops), in(o.in[0]), out(o.out_map(0)), quantum(o.quantum("quantum")) {
    o.require(!in.is_map && out.lanes == kByteLanes && elements(in.tensor.shape) == int64_t(out.channels) * out.height * out.width, "has another shape than its map");
    o.require(in.tensor.type == Type::float32 || in.tensor.type == Type::uint8 || in.tensor.type == Type::int8, "takes float32, uint8 or int8");
  }
  size_t scratch() const override { return size_t(out.width); }
  void run(int, const Worker& worker) override {
    clear_border(out, worker, quantum.zero);
    auto* const line = reinterpret_cast<uint8_t*>(worker.scratch);
    for (int b = worker.first(out.blocks()); b < worker.last(out.blocks()); b++)
      for (int y = 0; y < out.height; y++) {
        const Rows rows = block_of(out, b);
        char* const to = rows.data + size_t(y) * rows.row * kCell;
        for (int j = 0; j < std::min(kByteLanes, out.channels - b * kByteLanes); j++) {
          const size_t at = (size_t(b * kByteLanes + j) * out.height + y) * out.width;
          read(at, line);
          for (int x = 0; x < out.width; x++) to[x * kCell + j] = char(line[x]);
        }
      }
  }

 private:
  void read(size_t at, uint8_t* line) const {
    if (in.tensor.type == Type::float32) return loops.quantize(reinterpret_cast<const float*>(*in.data) + at, out.width, quantum, line);
    const uint8_t flip = in.tensor.type == Type::int8 ? 128 : 0;
    for (int x = 0; x < out.width; x++) line[x] = uint8_t((*in.data)[at + size_t(x)]) ^ flip;
  }
  const ByteLoops& loops;
  const Place in;
  const Map out;
  const Quantum quantum;
};

// Back to a plain tensor: float32, or the bytes.
class Dequantize : public Step {
 public:
  Dequantize(const StepMaker&, const Operands& o) : in(o.map(0)), out(o.out[0]), quantum(o.quantum("quantum")) {
    o.require(!out.is_map && in.lanes == kByteLanes && elements(out.tensor.shape) == int64_t(in.channels) * in.height * in.width, "has another shape than its map");
    o.require(out.tensor.type == Type::float32 || out.tensor.type == Type::uint8 || out.tensor.type == Type::int8, "gives float32, uint8 or int8");
  }
  void run(int, const Worker& worker) override {
    for (int c = worker.first(in.channels); c < worker.last(in.channels); c++)
      for (int y = 0; y < in.height; y++) {
        const Rows rows = block_of(in, c / kByteLanes);
        const auto* const from = reinterpret_cast<const uint8_t*>(rows.data) + size_t(y) * rows.row * kCell + c % kByteLanes;
        write(from, (size_t(c) * in.height + y) * in.width);
      }
  }

 private:
  void write(const uint8_t* from, size_t at) const {
    if (out.tensor.type == Type::float32) {
      float* const to = reinterpret_cast<float*>(*out.data) + at;
      for (int x = 0; x < in.width; x++) to[x] = float(int(from[x * kCell]) - quantum.zero) * quantum.step;
    } else {
      const uint8_t flip = out.tensor.type == Type::int8 ? 128 : 0;
      for (int x = 0; x < in.width; x++) (*out.data)[at + size_t(x)] = char(from[x * kCell] ^ flip);
    }
  }
  const Map in;
  const Place out;
  const Quantum quantum;
};

// The sum of two maps, or a map times one factor for each channel.
class Binary : public Step {
 public:
  Binary(const StepMaker& m, const Operands& o) : loops(m.bytes.loops), a(o.map(0)), b(o.map(1)), out(o.out_map(0)), adds(o.op.name == "cells.bytes_add"), sum{o.quantum("sum_a"), o.quantum("sum_b"), o.quantum("sum")} {
    const bool fits = adds ? same_size(b, out) : b.channels == out.channels && b.height == 1 && b.width == 1 && b.lanes == kByteLanes;
    o.require(same_size(a, out) && fits && out.lanes == kByteLanes, "has maps of different sizes");
  }
  void run(int, const Worker& worker) override {
    clear_border(out, worker, sum.out.zero);
    for (int c = worker.first(out.blocks()); c < worker.last(out.blocks()); c++)
      for (int y = 0; y < out.height; y++) (adds ? loops.add : loops.scale)(sum, row(a, c, y), row(b, c, adds ? y : 0), out.width, row(out, c, y));
  }

 private:
  static char* row(const Map& m, int block, int y) {
    const Rows rows = block_of(m, block);
    return rows.data + size_t(y) * rows.row * kCell;
  }
  const ByteLoops& loops;
  const Map a, b, out;
  const bool adds;
  const Sum sum;
};

// A function of one byte.
class Table : public Step {
 public:
  Table(const StepMaker& m, const Operands& o) : in(o.map(0)), out(o.out_map(0)), a(m.of(out)), finish(o.finish("")), border(o.byte("border")) {
    o.require(same_size(in, out) && out.lanes == kByteLanes && finish.table, "needs maps of one size and a table");
  }
  void run(int, const Worker& worker) override {
    clear_border(out, worker, border);
    const int first = worker.first(out.blocks()), last = worker.last(out.blocks());
    for (int c = first; c < last; c++)
      for (int y = 0; y < out.height; y++) {
        const Rows from = block_of(in, c), to = block_of(out, c);
        std::memcpy(to.data + size_t(y) * to.row * kCell, from.data + size_t(y) * from.row * kCell, size_t(out.width) * kCell);
      }
    if (first < last) a.activate(finish, block_of(out, first), last - first, out.height, out.width);
  }

 private:
  const Map in, out;
  const Convolutions& a;
  const Finish finish;
  const int border;
};

// Mean of every channel, as a map of one pixel.
class Mean : public Step {
 public:
  Mean(const StepMaker& m, const Operands& o) : loops(m.bytes.loops), in(o.map(0)), out(o.out_map(0)), from(o.quantum("from")), to(o.quantum("to")) {
    o.require(in.lanes == kByteLanes && out.lanes == kByteLanes && out.channels == in.channels && out.height == 1 && out.width == 1 && in.height * in.width < (1 << 23), "gives one number for every channel");
  }
  void run(int, const Worker& worker) override {
    clear_border(out, worker, to.zero);
    for (int c = worker.first(in.blocks()); c < worker.last(in.blocks()); c++) {
      const Rows rows = block_of(in, c);
      loops.mean(rows.data, rows.row, in.height, in.width, from, to, block_of(out, c).data);
    }
  }

 private:
  const ByteLoops& loops;
  const Map in, out;
  const Quantum from, to;
};

}  // namespace

std::unique_ptr<Step> make_bytes_stem(const StepMaker& m, const Operands& o) { return std::make_unique<Stem>(m, o); }
std::unique_ptr<Step> make_quantize(const StepMaker& m, const Operands& o) { return std::make_unique<Quantize>(m, o); }
std::unique_ptr<Step> make_dequantize(const StepMaker& m, const Operands& o) { return std::make_unique<Dequantize>(m, o); }
std::unique_ptr<Step> make_bytes_binary(const StepMaker& m, const Operands& o) { return std::make_unique<Binary>(m, o); }
std::unique_ptr<Step> make_bytes_table(const StepMaker& m, const Operands& o) { return std::make_unique<Table>(m, o); }
std::unique_ptr<Step> make_bytes_mean(const StepMaker& m, const Operands& o) { return std::make_unique<Mean>(m, o); }

}  // namespace underone
