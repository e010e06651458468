// Memory: aligned storage, and the static layout of tensors that live at different times.
#pragma once
#include <cstddef>
#include <memory>
#include <vector>

namespace underone {

constexpr size_t kSlack = 4096;  // kernels read (never write) up to a register tile behind what they need

struct FreeBytes {
  size_t size = 0;
  void operator()(char* p) const;
};
using Storage = std::unique_ptr<char[], FreeBytes>;

// Zeroed bytes and kSlack behind them, on huge pages when there are many. Throws std::bad_alloc.
Storage allocate(size_t bytes);
// The same; what is never touched needs no memory, where the system can do that.
Storage reserve(size_t bytes);

// A file that is mapped into memory, or nothing.
struct FileView {
  const char* data = nullptr;
  size_t size = 0;
  // Gives back the pages that lie in these bytes, where they are the file's; they are read again when they are needed.
  void give_back(const void* from, size_t bytes) const;
};

// Bytes of the cache that one core has to itself; 1 MiB where the system does not say.
size_t second_level_cache();

// A tensor's bytes from the step that writes it to the last one that reads it, both included.
struct Life {
  size_t bytes;
  int first, last;
};

// Gives every tensor its offset, multiples of 64, so that none overlaps another that lives at the same time; `total` is
// what the arena needs. Greedy, the largest first.
std::vector<size_t> lay_out(const std::vector<Life>& lives, size_t& total);

}  // namespace underone
