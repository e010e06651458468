#include "memory.h"

#include <algorithm>
#include <new>
#include <numeric>

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace underone {

namespace {
constexpr size_t kHugePage = size_t(1) << 21;
}

void FreeBytes::operator()(char* p) const { ::operator delete[](p, std::align_val_t(size >= kHugePage ? kHugePage : 4096)); }

Storage allocate(size_t bytes) {
  size_t size = bytes + kSlack;
  const size_t page = size >= kHugePage ? kHugePage : 4096;
  size = (size + page - 1) / page * page;
  char* p = static_cast<char*>(::operator new[](size, std::align_val_t(page)));
#if defined(__linux__)
  if (page == kHugePage) madvise(p, size, MADV_HUGEPAGE);
#endif
  std::fill_n(p, size, char(0));
  return Storage(p, FreeBytes{size});
}

size_t second_level_cache() {
#if defined(_SC_LEVEL2_CACHE_SIZE)
  const long said = sysconf(_SC_LEVEL2_CACHE_SIZE);
  if (said > 0) return std::clamp(size_t(said), size_t(256) << 10, size_t(4) << 20);
#endif
  return size_t(1) << 20;
}

std::vector<size_t> lay_out(const std::vector<Life>& lives, size_t& total) {
  std::vector<size_t> order(lives.size()), offsets(lives.size(), 0), placed;
  std::iota(order.begin(), order.end(), size_t(0));
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return lives[a].bytes > lives[b].bytes; });
  total = 0;
  for (size_t i : order) {
    size_t offset = 0;  // `placed` is sorted by offset: take the first gap among those alive at the same time
    for (size_t j : placed) {
      if (lives[j].first > lives[i].last || lives[j].last < lives[i].first) continue;
      if (offset + lives[i].bytes <= offsets[j]) break;
      offset = std::max(offset, (offsets[j] + lives[j].bytes + 63) / 64 * 64);
    }
    offsets[i] = offset;
    total = std::max(total, offset + lives[i].bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), i, [&](size_t a, size_t b) { return offsets[a] < offsets[b]; }), i);
  }
  return offsets;
}

}  // namespace underone
