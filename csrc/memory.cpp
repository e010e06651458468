#include "memory.h"

#include <algorithm>
#include <cstdint>
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

#if defined(__linux__)
void FreeBytes::operator()(char* p) const { munmap(p, size); }

Storage reserve(size_t bytes) {
  const size_t page = bytes + kSlack >= kHugePage ? kHugePage : 4096;
  const size_t size = (bytes + kSlack + page - 1) / page * page;
  void* const found = mmap(nullptr, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (found == MAP_FAILED) throw std::bad_alloc();
  char* const from = static_cast<char*>(found);
  const size_t head = (page - reinterpret_cast<uintptr_t>(from) % page) % page;  // cut off, so that it begins on a page
  if (head) munmap(from, head);
  munmap(from + head + size, page - head);
  if (page == kHugePage) madvise(from + head, size, MADV_HUGEPAGE);
  return Storage(from + head, FreeBytes{size});
}

void FileView::give_back(const void* from, size_t bytes) const {
  const uintptr_t page = uintptr_t(sysconf(_SC_PAGESIZE)), begin = reinterpret_cast<uintptr_t>(from), start = reinterpret_cast<uintptr_t>(data);
  if (!data || begin < start || begin >= start + size) return;
  const uintptr_t first = (begin + page - 1) / page * page, last = std::min(begin + bytes, start + size) / page * page;
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}
#else
void FileView::give_back(const void*, size_t) const {}

void FreeBytes::operator()(char* p) const { ::operator delete[](p, std::align_val_t(4096)); }

Storage reserve(size_t bytes) {
  const size_t size = bytes + kSlack;
  Storage storage(static_cast<char*>(::operator new[](size, std::align_val_t(4096))), FreeBytes{size});
  std::fill_n(storage.get(), size, char(0));
  return storage;
}
#endif

Storage allocate(size_t bytes) {
  Storage storage = reserve(bytes);
  std::fill_n(storage.get(), bytes + kSlack, char(0));
  return storage;
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
