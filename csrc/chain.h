// The step where the time goes: [expand 1x1, or the stem] -> [depthwise] -> [1x1 or dense k x k] + residual, by tiles of rows, so that
// what lies between the convolutions only ever exists in a thread's own scratch memory.
#pragma once
#include "stem.h"

namespace underone {

// A range of output rows and where each pixel of its operand goes.
struct Tile {
  int y, rows;
  std::vector<int> place;  // pixels rounded up; the surplus goes to the spare cell
};
struct Tiles {
  std::vector<Tile> list;
  int rows = 0;    // of the tallest
  int pixels = 0;  // operand pixels of the tallest
};

// Cuts a map into row tiles whose operand of `blocks` cells a pixel suits the product; `pitch` pixels a row (0: the width).
// `extra` is what every further output row costs beside, in bytes.
Tiles make_tiles(const Convolutions& a, const Packed& packed, const Map& out, int blocks, int threads, int pitch = 0, size_t extra = 0);

class Chain : public Step {
 public:
  Chain(const StepMaker& maker, const Operands& operands);
  int phases() const override { return stem || (common && !direct) ? 2 : 1; }
  size_t scratch() const override;
  size_t shared() const override { return common ? between_bytes() : 0; }
  void run(int phase, const Worker& worker) override;

 private:
  struct Stage {
    Packed packed;
    Finish finish;
    bool present = false;
    int border = 0;  // what lies around it: the zero of a quantised map
    bool clamps() const { return finish.function == Function::none; }
    float low() const { return clamps() ? finish.low : -INFINITY; }
    float high() const { return clamps() ? finish.high : INFINITY; }
  };
  struct Scratch {
    char *hidden, *operand, *product;
    Packed project;  // with the bias of this run
  };
  // Channels between the convolutions: blocks, and the panels of the expanding weight that make them.
  struct Part {
    int first, last, first_panel, last_panel;
  };

  Map input(const StepMaker& maker, const Operands& operands);
  void plan_hidden(const Operands& operands);
  bool by_channels() const;
  Part part(int thread, int threads) const;
  void expand_rows(int first, int last, int at, const Part& part, const Scratch& s) const;
  void run_tile(const Tile& tile, int& done, const Scratch& s) const;
  Rows spatial_input(const Tile& tile, int& done, const Part& part, const Scratch& s) const;
  void make_operand(const Tile& tile, int& done, const Part& part, const Scratch& s) const;
  Product project_call(const Tile& tile, const Scratch& s) const;
  void multiply_share(const Worker& worker, const Scratch& s) const;
  size_t hidden_bytes() const, operand_bytes() const;
  size_t between_bytes() const { return hidden_bytes() + operand_bytes(); }
  Scratch split(const Worker& worker) const;

  const Convolutions& a;
  std::unique_ptr<ImageRows> stem;  // makes the input's rows from an image; `in` has no memory then
  Map in, out, added;
  Place bias;                     // of `project`, where it is computed
  bool has_added = false, depthwise = false, direct = false;
  Sum sum;                        // of quantised maps: how `added` is
  Window window;
  int border = 0;                 // of `out`
  Stage expand, spatial, project;
  int middle = 0;                 // blocks of the expanded map
  bool common = false;            // threads share channels, not rows; what lies between is common memory
  int hidden_pitch = 0, hidden_rows = 0;
  std::vector<int> hidden_place;  // of every expanded pixel, rows of the input's pitch
  Tiles tiles;
};

}  // namespace underone
