// Class outputs on a coarse grid to the class of each pixel, row by row: the enlarged outputs are never written.
#pragma once
#include "cell_loops.h"

namespace underone {

// Maps (classes, height, width), enlarged bilinearly; of each axis, where every output position lies.
class LabelMap {
 public:
  LabelMap(int classes, int height, int width, std::vector<Sample> rows, const std::vector<Sample>& columns);
  int height() const { return int(rows.size()); }
  int width() const { return int(weights.size()) - kBehind; }
  size_t scratch() const;  // bytes of a row

  // Calls take(y, classes) with the greatest class of every column, for output rows [first, last).
  template <class F>
  void run(const CellLoops& loops, const float* maps, int first, int last, char* scratch, F take) const {
    int32_t* const found = reinterpret_cast<int32_t*>(scratch);
    float* const between = reinterpret_cast<float*>(found + width() + kBehind);
    for (int y = first; y < last; y++) {
      const Sample& s = rows[size_t(y)];
      loops.greatest(maps + size_t(s.first) * columns, maps + size_t(s.second) * columns, s.weight, plane, classes, columns, stretches.data(), int(stretches.size()), weights.data(), between, found);
      take(y, found);
    }
  }

 private:
  static constexpr int kBehind = 16;
  const int classes, columns;  // of the maps
  const size_t plane;
  const std::vector<Sample> rows;
  std::vector<Stretch> stretches;
  std::vector<float> weights;  // of each output column, and some behind
};

}  // namespace underone
