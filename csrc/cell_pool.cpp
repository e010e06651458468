// Pools, resampling and factors by channel: steps that go row by row through the blocks of a map.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "cell_loops.h"
#include "cell_steps.h"
#include "label_map.h"

namespace underone {

namespace {

// A step whose output rows are independent of each other: threads share them, blocks outermost.
class ByRows : public Step {
 public:
  ByRows(const StepMaker& m, const Operands& o) : loops(m.arithmetic.loops()), in(o.map(0)), out(o.out_map(0)), border(o.byte("border")) {
    o.require(in.channels == out.channels && in.lanes == out.lanes, "gives another number of channels");
  }
  void run(int, const Worker& worker) override {
    clear_border(out, worker, border);
    const int rows = out.blocks() * out.height;
    for (int i = worker.first(rows); i < worker.last(rows); i++) {
      const int block = i / out.height, y = i % out.height;
      row(block, y, at(out, block, y));
    }
  }

 protected:
  static char* at(const Map& m, int block, int y) { return m.data + (size_t(block) * m.pixels() + m.place(y, 0)) * kCell; }
  virtual void row(int block, int y, char* to) = 0;
  const CellLoops& loops;
  const Map in, out;
  const int border;  // of a quantised map its zero
};

// The taps of one axis that lie inside the image, and what of the window counts.
std::vector<Taps> taps_of(const Operands& o, int in, int out, int kernel, int stride, int dilation, int before, int after, bool padded) {
  std::vector<Taps> found;
  for (int i = 0; i < out; i++) {
    const int64_t start = int64_t(i) * stride - before, stop = int64_t(in) + after;
    const int64_t first = start < 0 ? (-start + dilation - 1) / dilation : 0;
    const int64_t last = start >= in ? 0 : std::min<int64_t>(kernel, (in - 1 - start) / dilation + 1);
    o.require(first < last, "has a window that lies in the padding");
    const int64_t counted = padded ? std::min<int64_t>(kernel, (stop - 1 - start) / dilation + 1) : last - first;
    found.push_back({int(start + first * dilation), int(last - first), 1.0f / float(counted)});
  }
  return found;
}

class Pool : public ByRows {
 public:
  Pool(const StepMaker& m, const Operands& o) : ByRows(m, o), window(o.window()), average(o.integer("average", 0) != 0) {
    const bool padded = o.integer("padded", 0) != 0;
    const Window& w = window;
    o.require(w.height <= kMost, "has a window outside what is allowed (4096)");
    rows = taps_of(o, in.height, out.height, w.height, w.stride_y, w.dilation_y, w.top, w.bottom, padded);
    columns = taps_of(o, in.width, out.width, w.width, w.stride_x, w.dilation_x, w.left, w.right, padded);
  }

 private:
  void row(int block, int y, char* to) override {
    const Taps& t = rows[size_t(y)];
    const char* from[kMost];
    char* const first = at(in, block, t.from);
    for (int i = 0; i < t.count; i++) from[i] = first + size_t(i) * window.dilation_y * in.pitch() * kCell;
    loops.pool(average, from, t.count, t.share, columns.data(), window.dilation_x, out.width, to);
  }
  static constexpr int kMost = 4096;
  const Window window;
  const bool average;
  std::vector<Taps> rows, columns;
};

// Where the outputs of one axis lie: the attributes <axis>_places, two for each, and <axis>_weights.
std::vector<Sample> samples_of(const Operands& o, const std::string& axis, int in, size_t out) {
  const auto places = o.numbers(axis + "_places"), weights = o.numbers(axis + "_weights");
  o.require(places.size() == 2 * out && weights.size() == out, "needs two places and a weight for each output position");
  std::vector<Sample> found;
  for (size_t i = 0; i < out; i++) {
    const double a = places[2 * i], b = places[2 * i + 1];
    o.require(a >= 0 && a < in && b >= 0 && b < in && std::isfinite(weights[i]), "reads outside its map");
    found.push_back({int(a), int(b), float(weights[i])});
  }
  return found;
}

class Resize : public ByRows {
 public:
  Resize(const StepMaker& m, const Operands& o) : ByRows(m, o), rows(samples_of(o, "y", in.height, size_t(out.height))), columns(samples_of(o, "x", in.width, size_t(out.width))) {
    for (const auto* axis : {&rows, &columns})
      for (const Sample& s : *axis) o.require(s.weight == 0 || in.lanes != kByteLanes, "blends quantised pixels");
  }

 private:
  void row(int block, int y, char* to) override {
    const Sample& s = rows[size_t(y)];
    if (in.lanes == kByteLanes) {
      const char* from = at(in, block, s.first);
      for (int x = 0; x < out.width; x++) std::memcpy(to + size_t(x) * kCell, from + size_t(columns[size_t(x)].first) * kCell, kCell);
      return;
    }
    loops.sample(at(in, block, s.first), at(in, block, s.second), s.weight, columns.data(), out.width, to);
  }
  const std::vector<Sample> rows, columns;
};

// The greatest class of each pixel of plain maps, enlarged; threads share its rows.
class Labels : public Step {
 public:
  Labels(const StepMaker& m, const Operands& o) : loops(m.arithmetic.loops()), in(o.plain(0)), out(checked(o)), labels(made(o)) {}
  size_t scratch() const override { return labels.scratch(); }
  void run(int, const Worker& worker) override {
    int64_t* const to = reinterpret_cast<int64_t*>(*out.data);
    labels.run(loops, reinterpret_cast<const float*>(*in.data), worker.first(labels.height()), worker.last(labels.height()), worker.scratch,
               [&](int y, const int32_t* found) { std::copy_n(found, labels.width(), to + size_t(y) * labels.width()); });
  }

 private:
  static Place checked(const Operands& o) {
    o.require(o.out.size() == 1 && !o.out[0].is_map && o.out[0].tensor.type == Type::int64 && o.out[0].tensor.shape.size() >= 2, "gives a plain int64 tensor");
    return o.out[0];
  }
  static LabelMap made(const Operands& o) {
    const Shape &from = o.plain(0).tensor.shape, to = o.out[0].tensor.shape;
    const int64_t height = to[to.size() - 2], width = to.back();
    o.require(from.size() == 4 && from[0] == 1 && *std::min_element(from.begin(), from.end()) >= 1 && *std::max_element(from.begin(), from.end()) <= kMost, "takes the maps of one picture");
    o.require(elements(to) == height * width && height >= 1 && width >= 1 && std::max(height, width) <= kMost, "gives one label for each pixel");
    return LabelMap(int(from[1]), int(from[2]), int(from[3]), samples_of(o, "y", int(from[2]), size_t(height)), samples_of(o, "x", int(from[3]), size_t(width)));
  }
  static constexpr int64_t kMost = 1 << 20;
  const CellLoops& loops;
  const Place in, out;
  const LabelMap labels;
};

class Affine : public ByRows {
 public:
  Affine(const StepMaker& m, const Operands& o) : ByRows(m, o), finish(o.finish("")), factors(values(o, 1)), shifts(values(o, 2)) {
    o.require(same_size(in, out), "has maps of different sizes");
  }

 private:
  std::vector<float> values(const Operands& o, size_t i) const {  // filled up to whole cells
    const Tensor& t = o.constant(i);
    o.require(elements(t.shape) == in.channels, "needs one value for every channel");
    std::vector<float> found(size_t(in.blocks()) * in.lanes, 0.0f);
    std::copy_n(static_cast<const float*>(t.data), in.channels, found.begin());
    return found;
  }
  void row(int block, int y, char* to) override {
    loops.affine(finish, at(in, block, y), factors.data() + block * in.lanes, shifts.data() + block * in.lanes, out.width, to);
  }
  const Finish finish;
  const std::vector<float> factors, shifts;
};

}  // namespace

std::unique_ptr<Step> make_pool(const StepMaker& m, const Operands& o) { return std::make_unique<Pool>(m, o); }
std::unique_ptr<Step> make_resize(const StepMaker& m, const Operands& o) { return std::make_unique<Resize>(m, o); }
std::unique_ptr<Step> make_labels(const StepMaker& m, const Operands& o) { return std::make_unique<Labels>(m, o); }
std::unique_ptr<Step> make_affine(const StepMaker& m, const Operands& o) { return std::make_unique<Affine>(m, o); }

}  // namespace underone
