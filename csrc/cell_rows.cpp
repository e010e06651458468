// Maps as rows of pixels, channels side by side, one map behind the other: what the heads of a detector give.
#include <algorithm>

#include "cell_loops.h"
#include "cell_steps.h"

namespace underone {

namespace {

struct Line {
  Rows from;
  int channels, width;
  int64_t to;
  size_t map;
};

// Every row of every map, in the order in which they are written.
std::vector<Line> lines_of(const Operands& o) {
  std::vector<Line> lines;
  int64_t size = 0;
  for (size_t i = 0; i < o.in.size(); i++) {
    const Map& map = o.map(i);
    o.require(map.lanes == o.map(0).lanes, "has maps of different formats");
    for (int y = 0; y < map.height; y++) lines.push_back({rows_of(map, y), map.channels, map.width, size + int64_t(y) * map.width * map.channels, i});
    size += int64_t(map.height) * map.width * map.channels;
  }
  o.require(size == elements(o.out_plain(0).tensor.shape), "gives another number of elements");
  return lines;
}

class PixelRows : public Step {
 public:
  PixelRows(const StepMaker& m, const Operands& o) : loops(m.arithmetic.loops()), out(o.out_plain(0)), lines(lines_of(o)) {}
  void run(int, const Worker& worker) override {
    float* const to = reinterpret_cast<float*>(*out.data);
    for (int i = worker.first(int(lines.size())); i < worker.last(int(lines.size())); i++) {
      const Line& line = lines[size_t(i)];
      loops.channels_last(line.from.data, line.from.block * kCell, line.channels, line.width, to + line.to);
    }
  }

 private:
  const CellLoops& loops;
  const Place out;
  const std::vector<Line> lines;
};

// Of quantised maps: `tables` says of each map what its 256 bytes stand for in the end.
class ByteRows : public Step {
 public:
  explicit ByteRows(const Operands& o) : out(o.out_plain(0)), lines(lines_of(o)) {
    const auto numbers = o.numbers("tables");
    o.require(numbers.size() == 256 * o.in.size(), "needs 256 numbers for each quantised map");
    tables.assign(numbers.begin(), numbers.end());
  }
  void run(int, const Worker& worker) override {
    for (int i = worker.first(int(lines.size())); i < worker.last(int(lines.size())); i++) write(lines[size_t(i)]);
  }

 private:
  void write(const Line& line) const {
    const float* const table = tables.data() + 256 * line.map;
    for (int c = 0; c < line.channels; c += kByteLanes) {
      const auto* cell = reinterpret_cast<const uint8_t*>(line.from.data) + size_t(c / kByteLanes) * line.from.block * kCell;
      float* to = reinterpret_cast<float*>(*out.data) + line.to + c;
      for (int x = 0; x < line.width; x++, cell += kCell, to += line.channels)
        for (int j = 0; j < std::min(kByteLanes, line.channels - c); j++) to[j] = table[cell[j]];
    }
  }
  const Place out;
  const std::vector<Line> lines;
  std::vector<float> tables;
};

}  // namespace

std::unique_ptr<Step> make_rows(const StepMaker& m, const Operands& o) {
  o.require(!o.in.empty(), "reads no map");
  if (o.map(0).lanes == kByteLanes) return std::make_unique<ByteRows>(o);
  return std::make_unique<PixelRows>(m, o);
}

}  // namespace underone
