// Products of row-major float32 matrices: rows are the pixels of the register tiles that convolutions use. A constant second
// factor is packed when the plan is made, another one panel by panel while it runs.
#include <algorithm>
#include <cmath>

#include "cell_loops.h"
#include "cell_steps.h"
#include "direct.h"

namespace underone {

namespace {

constexpr size_t kRowBytes = size_t(384) << 10;  // rows of the first factor that stay in the second-level cache

// Where the matrices of an operand lie: element (i, j) of stack s begins at starts[s] + i * row + j * column.
struct Layout {
  std::vector<int64_t> starts;
  int64_t row = 0, column = 1;
};

class MatMul : public Step {
 public:
  MatMul(const StepMaker& m, const Operands& o)
      : loops(m.arithmetic.loops()), kernels(*m.arithmetic.direct()), a(o.plain(0)), b(o.plain(1)), out(o.out_plain(0)), finish(o.finish("")) {
    rows = size(o, "rows"), depth = size(o, "depth"), columns = size(o, "columns");
    const auto scales = o.numbers("alpha");
    if (!scales.empty()) alpha = float(scales[0]);
    at_a = layout(o, "a", a, rows, depth), at_b = layout(o, "b", b, depth, columns);
    o.require(at_a.starts.size() == at_b.starts.size(), "has stacks of different sizes");
    stacks = int(at_a.starts.size());
    o.require(elements(out.tensor.shape) == int64_t(stacks) * rows * columns, "gives another size");
    if (o.has(3)) {
      added = o.plain(3);
      has_added = true;
      o.require(added.tensor.shape == out.tensor.shape, "adds a tensor of another shape");
    }
    blocks = ceil_div(depth, 16), panels = ceil_div(columns, kernels.panel);
    const float* given = o.bias(2, columns);
    bias.assign(size_t(panels) * kernels.panel, 0.0f);
    if (given) std::copy_n(given, columns, bias.begin());
    if (b.tensor.data) pack(m, static_cast<const float*>(b.tensor.data));
    chunk = std::clamp(int(kRowBytes / (size_t(blocks) * kCell)), kernels.widest, 16 * kernels.widest) / kernels.widest * kernels.widest;
    softmax = o.integer("softmax", 0) != 0;
    if (softmax) chunk = std::min(chunk, std::max(kernels.widest, int(kRowBytes / (size_t(columns) * 4)) / kernels.widest * kernels.widest));
    chunk = std::min(chunk, rows);
    chunks = ceil_div(rows, chunk);
    shares = stacks * chunks >= m.threads || softmax ? 1 : std::min(panels, ceil_div(m.threads, stacks * chunks));
  }

  // the rows of a chunk, a panel, a tile of the last panel
  size_t scratch() const override { return operand_bytes() + panel_bytes() + tile_bytes() + kCell; }

  void run(int, const Worker& worker) override {
    const int pieces = stacks * shares * chunks;
    for (int i = worker.first(pieces); i < worker.last(pieces); i++) {
      const int share = i / chunks % shares;
      multiply(i / chunks / shares, i % chunks * chunk, panels * share / shares, panels * (share + 1) / shares, worker.scratch);
    }
  }

 private:
  size_t operand_bytes() const { return size_t(blocks) * (chunk + 1) * kCell; }
  size_t panel_bytes() const { return weight ? 0 : size_t(blocks) * 16 * kernels.panel * 4; }
  size_t tile_bytes() const { return size_t(kernels.widest) * kernels.panel * 4; }

  static int size(const Operands& o, const char* name) {
    const int64_t n = o.integer(name, 0);
    o.require(n >= 1 && n < (1 << 24), "has a size outside what is allowed (2^24)");
    return int(n);
  }

  // Throws unless every element lies inside the tensor.
  static Layout layout(const Operands& o, const std::string& name, const Place& place, int64_t rows, int64_t columns) {
    Layout l;
    const auto starts = o.numbers(name + "_starts"), strides = o.numbers(name + "_strides");
    o.require(!starts.empty() && strides.size() == 2, "needs where its matrices begin, and two strides");
    const double all = double(elements(place.tensor.shape));
    for (double s : strides) o.require(s >= 0 && s < double(1 << 30), "has a stride that does not fit");
    for (double s : starts) {
      o.require(s >= 0 && s + (rows - 1) * strides[0] + (columns - 1) * strides[1] < all, "reads outside its operand");
      l.starts.push_back(int64_t(s));
    }
    l.row = int64_t(strides[0]), l.column = int64_t(strides[1]);
    return l;
  }

  void pack(const StepMaker& m, const float* from) {
    const size_t each = size_t(blocks) * 16 * kernels.panel;
    float* to = reinterpret_cast<float*>(m.arena.take(each * panels * 4 * (at_b.starts.size() > 1 ? at_b.starts.size() : 1)));
    for (size_t s = 0; s < at_b.starts.size(); s++)
      for (int p = 0; p < panels; p++) pack_panel(from + at_b.starts[s], p, to + (s * panels + p) * each);
    weight = to;
  }

  // [depth rounded up][panel], with zeros behind the last column; returns how wide the panel is
  int wide(int panel) const { return std::min(kernels.panel, ceil_div(columns - panel * kernels.panel, 16) * 16); }
  void pack_panel(const float* from, int panel, float* to) const {
    const int first = panel * kernels.panel, width = wide(panel), count = std::min(width, columns - first);
    from += first * at_b.column;
    loops.pack(from, size_t(at_b.row), size_t(at_b.column), depth, count, alpha, to, width);
    std::fill_n(to + size_t(depth) * width, size_t(blocks * 16 - depth) * width, 0.0f);
  }

  void multiply(int stack, int first, int from_panel, int to_panel, char* scratch) const {
    const int count = std::min(chunk, rows - first);
    char* const operand = scratch;
    float* const panel = reinterpret_cast<float*>(scratch + operand_bytes());
    float* const corner = reinterpret_cast<float*>(scratch + operand_bytes() + panel_bytes());
    loops.gather(reinterpret_cast<const float*>(*a.data) + at_a.starts[size_t(stack)] + first * at_a.row, size_t(at_a.row), size_t(at_a.column), count, depth, operand, chunk + 1);
    float* const to = reinterpret_cast<float*>(*out.data) + (int64_t(stack) * rows + first) * columns;
    const float* const plus = has_added ? reinterpret_cast<const float*>(*added.data) + (int64_t(stack) * rows + first) * columns : nullptr;
    const size_t each = size_t(blocks) * 16 * kernels.panel;
    for (int p = from_panel; p < to_panel; p++) {
      const float* w = weight ? weight + (size_t(at_b.starts.size() > 1 ? stack : 0) * panels + p) * each : panel;
      if (!weight) pack_panel(reinterpret_cast<const float*>(*b.data) + at_b.starts[size_t(stack)], p, panel);
      const int tiles = ceil_div(count, kernels.widest);
      for (int i = 0; i < tiles; i++) {
        const int y = count * i / tiles, pixels = count * (i + 1) / tiles - y;
        tile(operand + size_t(y) * kCell, w, p, pixels, to + size_t(y) * columns, plus ? plus + size_t(y) * columns : nullptr, corner);
      }
    }
    if (softmax) loops.softmax(to, size_t(columns), count, columns);
  }

  void tile(const char* operand, const float* w, int p, int pixels, float* to, const float* plus, float* corner) const {
    const int first = p * kernels.panel, width = wide(p), there = std::min(width, columns - first);
    const bool whole = there == width, clamps = finish.function == Function::none;
    const Tap tap{0, w};
    DirectTile t{operand, 0, size_t(chunk + 1), &tap, 1, blocks, bias.data() + first, clamps && whole ? finish.low : -INFINITY, clamps && whole ? finish.high : INFINITY, nullptr, nullptr, 0, kCell, kCell};
    to += first, plus = plus ? plus + first : nullptr;
    t.out = reinterpret_cast<char*>(whole ? to : corner), t.out_pixel = size_t(whole ? columns : width) * 4;
    if (whole) t.added = reinterpret_cast<const char*>(plus);
    kernels.find(1, pixels, 1, width)(t);
    if (!whole)  // the row goes on with the next one: only what belongs to it is copied
      for (int i = 0; i < pixels; i++)
        for (int j = 0; j < there; j++) {
          const float v = corner[i * width + j] + (plus ? plus[size_t(i) * columns + j] : 0.0f);
          to[size_t(i) * columns + j] = clamps ? (v < finish.low ? finish.low : v > finish.high ? finish.high : v) : v;
        }
    if (!clamps)
      for (int i = 0; i < pixels; i++) loops.finish(finish, to + size_t(i) * columns, there);
  }

  const CellLoops& loops;
  const DirectKernels& kernels;
  Place a, b, added, out;
  const Finish finish;
  bool has_added = false, softmax = false;
  float alpha = 1;
  int rows, depth, columns, stacks, blocks, panels, chunk, chunks, shares;
  Layout at_a, at_b;
  std::vector<float> bias;
  const float* weight = nullptr;
};

}  // namespace

std::unique_ptr<Step> make_matmul(const StepMaker& m, const Operands& o) { return std::make_unique<MatMul>(m, o); }

}  // namespace underone
