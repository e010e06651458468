// What nearly every mobile network begins with: a dense 3x3 stride 2 convolution of a planar image, made row by row.
#pragma once
#include "operands.h"

namespace underone {

class ImageRows {
 public:
  // The map that a window makes of an image, without memory; no rows where the arithmetic has no code for it.
  static Map map_of(const Convolutions& a, const Place& image, const Window& window, int channels);
  static bool possible(const Convolutions& a, const Place& image, const Window& window, const Map& map);

  // `quantum`: of the image, where the map is quantised.
  ImageRows(const StepMaker& maker, const Place& image, const Window& window, const Map& map, const Layer& layer, const Quantum& quantum);
  // First all threads prepare the image, each its share; then rows [y, y + rows) of the map can be made.
  void prepare(const Worker& worker) const;
  void make(int y, int rows, float low, float high, Rows out) const;

 private:
  const Convolutions& a;
  const Place image;
  const Window window;
  const Quantum quantum;
  const Map map;
  const Packed packed;
  const Storage prepared;
};

}  // namespace underone
