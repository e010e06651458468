// Greedy non-maximum suppression within each class.
#include "nms.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

namespace underone {
namespace {

// Double: the area of any float32 box is finite, and integer boxes are compared without rounding.
struct Box {
  double x1, y1, x2, y2;
  double area() const { return std::max(x2 - x1, 0.0) * std::max(y2 - y1, 0.0); }
};

bool overlap(const Box& a, const Box& b, double threshold) {
  const double width = std::min(a.x2, b.x2) - std::max(a.x1, b.x1), height = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  const double both = std::max(width, 0.0) * std::max(height, 0.0);
  return both / (a.area() + b.area() - both) > threshold;  // two empty boxes: NaN, no overlap
}

// What a box adds to the least intersection that can suppress: both / (a + b - both) > t means both > (a + b) t / (1 + t).
// Too low by far more than the handful of roundings to float32 (6e-8 each) that it is compared after, and 0 where float32
// would lose digits to underflow. So float32 only says which boxes cannot overlap: the others are compared exactly.
float share_of(const Box& box, double threshold) {
  constexpr double kMargin = 1e-5, kLow = 1e-6, kSmall = 1e-24, kMost = std::numeric_limits<float>::max();
  const double area = box.area();
  if (threshold < kLow || area < kSmall) return 0;
  return float(std::min(area * threshold / (1 + threshold) * (1 - kMargin), kMost));
}

// The boxes of one class that were kept so far.
class Kept {
 public:
  void add(const Box& box, float share) {
    x1_.push_back(float(box.x1));
    y1_.push_back(float(box.y1));
    x2_.push_back(float(box.x2));
    y2_.push_back(float(box.y2));
    share_.push_back(share);
  }

  bool overlaps(const Box& box, float share, double threshold) const {
    constexpr size_t block = 64;  // boxes between two looks at the answer
    for (size_t i = 0; i < x1_.size(); i += block) {
      const size_t end = std::min(i + block, x1_.size());
      if (may_overlap(box, share, i, end) && overlaps(box, threshold, i, end)) return true;
    }
    return false;
  }

 private:
  bool may_overlap(const Box& box, float share, size_t from, size_t to) const {
    const float *x1 = x1_.data(), *y1 = y1_.data(), *x2 = x2_.data(), *y2 = y2_.data(), *shares = share_.data();
    const float bx1 = float(box.x1), by1 = float(box.y1), bx2 = float(box.x2), by2 = float(box.y2);
    int32_t found = 0;
    for (size_t i = from; i < to; i++) {  // no branch, no call: vectorised
      const float left = x1[i] > bx1 ? x1[i] : bx1, right = x2[i] < bx2 ? x2[i] : bx2;
      const float top = y1[i] > by1 ? y1[i] : by1, bottom = y2[i] < by2 ? y2[i] : by2;
      const bool enough = (right - left) * (bottom - top) >= shares[i] + share;
      found |= (right > left) & (bottom > top) & enough;
    }
    return found != 0;
  }

  bool overlaps(const Box& box, double threshold, size_t from, size_t to) const {
    for (size_t i = from; i < to; i++)
      if (overlap(Box{x1_[i], y1_[i], x2_[i], y2_[i]}, box, threshold)) return true;
    return false;
  }

  std::vector<float> x1_, y1_, x2_, y2_, share_;
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
    const float share = share_of(box, threshold);
    if (same.overlaps(box, share, threshold)) continue;
    same.add(box, share);
    result.push_back(i);
  }
  return result;
}

}  // namespace underone
