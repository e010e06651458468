#include "label_map.h"

#include <utility>

namespace underone {

LabelMap::LabelMap(int classes, int height, int width, std::vector<Sample> rows, const std::vector<Sample>& columns)
    : classes(classes), columns(width), plane(size_t(height) * width), rows(std::move(rows)), weights(columns.size() + kBehind) {
  for (size_t x = 0; x < columns.size(); x++) {
    const Sample& s = columns[x];
    weights[x] = s.weight;
    const bool goes_on = !stretches.empty() && stretches.back().first == s.first && stretches.back().second == s.second;
    if (goes_on) stretches.back().count++;
    else stretches.push_back({s.first, s.second, int(x), 1});
  }
}

size_t LabelMap::scratch() const {
  const size_t pitch = size_t(columns + 15) / 16 * 16;
  return (size_t(width()) + kBehind + (size_t(classes) + 1) * pitch) * 4;
}

}  // namespace underone
