// What nearly every mobile network begins with: a dense 3x3 stride 2 convolution of a planar image, made row by row.
#pragma once
#include "operands.h"

namespace underone {

class ImageRows {
 public:
  // The map that a window makes of an image, without memory; no rows where the arithmetic has no code for it.
  static Map map_of(const Arithmetic& a, const Place& image, const Window& window, int channels);
  static bool possible(const Arithmetic& a, const Place& image, const Window& window, const Map& map);

  ImageRows(const StepMaker& maker, const Place& image, const Window& window, const Map& map, const float* weight, const float* bias);
  // First all threads prepare the image, each its share; then rows [y, y + rows) of the map can be made.
  void prepare(const Worker& worker) const;
  void make(int y, int rows, float low, float high, Rows out) const;

 private:
  const Arithmetic& a;
  const Place image;
  const Window window;
  const Map map;
  const Packed packed;
  const Storage prepared;
};

}  // namespace underone
