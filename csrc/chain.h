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
Tiles make_tiles(const Arithmetic& a, const Packed& packed, const Map& out, int blocks, int threads, int pitch = 0, size_t extra = 0);

class Chain : public Step {
 public:
  Chain(const StepMaker& maker, const Operands& operands);
  int phases() const override { return stem ? 2 : 1; }
  size_t scratch() const override;
  void run(int phase, const Worker& worker) override;

 private:
  struct Stage {
    Packed packed;
    Finish finish;
    bool present = false;
    bool clamps() const { return finish.function == Function::none; }
    float low() const { return clamps() ? finish.low : -INFINITY; }
    float high() const { return clamps() ? finish.high : INFINITY; }
  };
  struct Scratch {
    char *hidden, *operand, *product;
  };

  Map input(const StepMaker& maker, const Operands& operands);
  void plan_hidden(const Operands& operands);
  void expand_rows(int first, int last, int at, const Scratch& s) const;
  void run_tile(const Tile& tile, int& done, const Scratch& s) const;
  Rows spatial_input(const Tile& tile, int& done, const Scratch& s) const;
  void multiply(const Tile& tile, const char* operand, int stride, int pixels, char* scratch) const;
  Scratch split(char* memory) const;

  const Arithmetic& a;
  std::unique_ptr<ImageRows> stem;  // makes the input's rows from an image; `in` has no memory then
  Map in, out, added;
  bool has_added = false, depthwise = false, direct = false;
  Window window;
  Stage expand, spatial, project;
  int middle = 0;                 // blocks of the expanded map
  int hidden_pitch = 0, hidden_rows = 0;
  std::vector<int> hidden_place;  // of every expanded pixel, rows of the input's pitch
  Tiles tiles;
};

}  // namespace underone
