// Greedy non-maximum suppression within each class.
#include "nms.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

namespace underone {
namespace {

// Double: the area of any float32 box is finite, and integer boxes are compared without rounding.
struct Box {
  double x1, y1, x2, y2;
  double area() const { return std::max(x2 - x1, 0.0) * std::max(y2 - y1, 0.0); }
};

// The boxes of one class that were kept so far.
class Kept {
 public:
  void add(const Box& box) {
    x1_.push_back(box.x1);
    y1_.push_back(box.y1);
    x2_.push_back(box.x2);
    y2_.push_back(box.y2);
    area_.push_back(box.area());
  }

  bool overlap(const Box& box, double threshold) const {
    constexpr size_t block = 64;  // boxes between two looks at the answer
    for (size_t i = 0; i < x1_.size(); i += block) {
      if (overlap(box, threshold, i, std::min(i + block, x1_.size()))) return true;
    }
    return false;
  }

 private:
  bool overlap(const Box& box, double threshold, size_t from, size_t to) const {
    const double *x1 = x1_.data(), *y1 = y1_.data(), *x2 = x2_.data(), *y2 = y2_.data(), *areas = area_.data();
    const double area = box.area();
    int64_t found = 0;
    for (size_t i = from; i < to; i++) {  // no branch, no call: vectorised
      const double left = x1[i] > box.x1 ? x1[i] : box.x1, right = x2[i] < box.x2 ? x2[i] : box.x2;
      const double top = y1[i] > box.y1 ? y1[i] : box.y1, bottom = y2[i] < box.y2 ? y2[i] : box.y2;
      const double width = right > left ? right - left : 0.0, height = bottom > top ? bottom - top : 0.0;
      const double both = width * height;
      found |= both / (areas[i] + area - both) > threshold;  // two empty boxes: NaN, no overlap
    }
    return found != 0;
  }

  std::vector<double> x1_, y1_, x2_, y2_, area_;
};

// Candidates, best first; at equal score the lower index first. A NaN anywhere or an infinite side is no candidate.
std::vector<int64_t> ranked(const float* boxes, const float* scores, int64_t count) {
  std::vector<int64_t> order;
  for (int64_t i = 0; i < count; i++) {
    const float* box = boxes + 4 * i;
    const bool finite = std::isfinite(box[0]) && std::isfinite(box[1]) && std::isfinite(box[2]) && std::isfinite(box[3]);
    if (finite && !std::isnan(scores[i])) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return scores[a] > scores[b]; });
  return order;
}

}  // namespace

std::vector<int64_t> suppress(const float* boxes, const float* scores, const int64_t* classes, int64_t count,
                              double threshold, size_t most) {
  std::vector<int64_t> result;
  std::unordered_map<int64_t, Kept> kept;
  for (int64_t i : ranked(boxes, scores, count)) {
    if (result.size() >= most) break;
    const Box box{boxes[4 * i], boxes[4 * i + 1], boxes[4 * i + 2], boxes[4 * i + 3]};
    Kept& same = kept[classes ? classes[i] : 0];
    if (same.overlap(box, threshold)) continue;
    same.add(box);
    result.push_back(i);
  }
  return result;
}

}  // namespace underone
