// Channels of several maps side by side. What the plan already laid out in its place is not copied.
#include <algorithm>
#include <cstring>

#include "cell_loops.h"
#include "cell_steps.h"

namespace underone {

std::vector<Run> runs_of(const Operands& o) {
  const auto numbers = o.numbers("runs");
  const Map& out = o.out_map(0);
  o.require(!numbers.empty() && numbers.size() % 3 == 0, "needs runs of three numbers");
  std::vector<Run> runs;
  int64_t channels = 0;
  for (size_t i = 0; i < numbers.size(); i += 3) {
    o.require(numbers[i] >= 0 && numbers[i] < double(o.in.size()), "has a run of no operand");
    const Map& in = o.map(size_t(numbers[i]));
    const double start = numbers[i + 1], count = numbers[i + 2];
    o.require(start >= 0 && count >= 1 && start + count <= in.channels, "has a run outside its operand");
    o.require(in.height == out.height && in.width == out.width && in.lanes == out.lanes, "has maps of different sizes");
    runs.push_back({int(numbers[i]), int(start), int(count)});
    channels += int(count);
  }
  o.require(channels == out.channels, "gives another number of channels");
  return runs;
}

namespace {

class Concat : public Step {
 public:
  Concat(const StepMaker& m, const Operands& o) : loops(m.arithmetic.loops()), out(o.out_map(0)), border(o.byte("border")), blocks(size_t(out.blocks())) {
    struct Lane { const Map* map; int channel; };
    std::vector<Lane> from;
    for (const Run& run : runs_of(o))
      for (int c = 0; c < run.count; c++) from.push_back({&o.map(size_t(run.input)), run.start + c});
    for (size_t b = 0; b < blocks.size(); b++) {
      for (size_t j = 0; j < size_t(out.lanes) && b * out.lanes + j < from.size(); j++) {
        const Lane& lane = from[b * out.lanes + j];
        take(blocks[b], *lane.map, lane.channel, int(j));
      }
      in_place &= blocks[b].copied && blocks[b].picks[0].from == row(out, int(b), 0);
    }
  }

  void run(int, const Worker& worker) override {
    if (in_place) return;
    clear_border(out, worker, border);
    const int rows = out.blocks() * out.height;
    for (int i = worker.first(rows); i < worker.last(rows); i++) {
      const int b = i / out.height, y = i % out.height;
      const Block& block = blocks[size_t(b)];
      char* to = row(out, b, y);
      if (block.copied) {
        const char* from = block.picks[0].from + size_t(y) * block.pitches[0] * kCell;
        if (from != to) std::memcpy(to, from, size_t(out.width) * kCell);
        continue;
      }
      std::vector<Pick> picks = block.picks;
      for (size_t k = 0; k < picks.size(); k++) picks[k].from += size_t(y) * block.pitches[k] * kCell;
      (out.lanes == kByteLanes ? loops.pick_bytes : loops.pick)(picks.data(), int(picks.size()), out.width, to);
    }
  }

 private:
  struct Block {
    std::vector<Pick> picks;
    std::vector<int> pitches;
    bool copied = true;  // every lane comes from the same lane of one cell
  };

  static char* row(const Map& m, int block, int y) { return m.data + (size_t(block) * m.pixels() + m.place(y, 0)) * kCell; }

  static void take(Block& block, const Map& map, int channel, int lane) {
    const char* from = row(map, channel / map.lanes, 0);
    size_t k = 0;
    while (k < block.picks.size() && block.picks[k].from != from) k++;
    if (k == block.picks.size()) block.picks.push_back({from, {}, {}}), block.pitches.push_back(map.pitch());
    block.copied &= k == 0 && channel % map.lanes == lane;
    const int bytes = kCell / map.lanes;
    block.picks[k].index[lane * bytes] = uint8_t(channel % map.lanes);  // little-endian
    std::memset(block.picks[k].mask + lane * bytes, 0xff, size_t(bytes));
  }

  const CellLoops& loops;
  const Map out;
  const int border;
  std::vector<Block> blocks;
  bool in_place = true;
};

}  // namespace

std::unique_ptr<Step> make_concat(const StepMaker& m, const Operands& o) { return std::make_unique<Concat>(m, o); }

}  // namespace underone
