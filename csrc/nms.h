// Greedy non-maximum suppression within each class.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace underone {

// Indices of the kept boxes (count, 4) x1 y1 x2 y2, best first, `most` of them; classes may be null.
std::vector<int64_t> suppress(const float* boxes, const float* scores, const int64_t* classes, int64_t count,
                              double threshold, size_t most);

}  // namespace underone
