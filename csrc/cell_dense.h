// Convolutions with a window whose input channels are summed, whole or by groups: what both ways to compute them share.
#pragma once
#include "cell_steps.h"
#include "chain.h"
#include "direct.h"

namespace underone {

// Groups are put together until they fill whole cells: a bundle is a product of its own, with zeros between its groups.
struct Bundle {
  int in = 0, out = 0;         // first blocks
  int blocks = 0;              // input blocks
  int channels = 0;            // output channels
  std::vector<float> weight;   // (channels, tap, blocks * lanes)
  const float* bias = nullptr;
};
struct Bundles {
  std::vector<Bundle> list;
  Bundles(const Operands& operands, const Window& window);
};

class Direct : public Step {
 public:
  Direct(const StepMaker& maker, const Operands& operands, const Bundles& bundles);
  void run(int phase, const Worker& worker) override;
  // Whether there are register tiles for this.
  static bool can(const Arithmetic& a, const Window& w) { return a.lanes == 16 && w.stride_x <= 2 && w.taps() <= kMostTaps; }

 private:
  static constexpr int kMostTaps = 256;
  struct Panel {
    const float *weight, *bias;
    int wide, in, out, blocks;  // output channels, first blocks, input blocks
  };
  void pack(const StepMaker& m, const Bundle& bundle);
  void row(const Panel& panel, int y) const;
  int taps_of(const Panel& panel, int y, int count, int x, int pixels, Tap* taps) const;

  const Arithmetic& a;
  const DirectKernels& kernels;
  const Map in, out;
  const Window window;
  const Finish finish;
  const char* added = nullptr;
  int tiles, rows;
  std::vector<Panel> panels;
};

}  // namespace underone
