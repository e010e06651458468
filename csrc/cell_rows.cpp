// Maps as rows of pixels, channels side by side, one map behind the other: what the heads of a detector give.
#include "cell_loops.h"
#include "cell_steps.h"

namespace underone {

namespace {

class PixelRows : public Step {
 public:
  PixelRows(const StepMaker& m, const Operands& o) : loops(m.arithmetic.loops()), out(o.out_plain(0)) {
    int64_t size = 0;
    for (size_t i = 0; i < o.in.size(); i++) {
      const Map& map = o.map(i);
      for (int y = 0; y < map.height; y++) lines.push_back({rows_of(map, y), map.channels, map.width, size + int64_t(y) * map.width * map.channels});
      size += int64_t(map.height) * map.width * map.channels;
    }
    o.require(size == elements(out.tensor.shape), "gives another number of elements");
  }
  void run(int, const Worker& worker) override {
    float* const to = reinterpret_cast<float*>(*out.data);
    for (int i = worker.first(int(lines.size())); i < worker.last(int(lines.size())); i++) {
      const Line& line = lines[size_t(i)];
      loops.channels_last(line.from.data, line.from.block * kCell, line.channels, line.width, to + line.to);
    }
  }

 private:
  struct Line {
    Rows from;
    int channels, width;
    int64_t to;
  };
  const CellLoops& loops;
  const Place out;
  std::vector<Line> lines;
};

}  // namespace

std::unique_ptr<Step> make_rows(const StepMaker& m, const Operands& o) { return std::make_unique<PixelRows>(m, o); }

}  // namespace underone
