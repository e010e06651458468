// One step of a plan.
#pragma once
#include <cstddef>

namespace underone {

// Where a thread works: its number, how many there are, scratch memory of its own, and what all of them have together.
struct Worker {
  int thread = 0, threads = 1;
  char *scratch = nullptr, *shared = nullptr;
  // Its share of `count` pieces: [first, last).
  int first(int count) const { return int(long(count) * thread / threads); }
  int last(int count) const { return int(long(count) * (thread + 1) / threads); }
};

class Step {
 public:
  virtual ~Step() = default;
  virtual int phases() const { return 1; }         // every thread finishes a phase before any begins the next
  virtual size_t scratch() const { return 0; }     // bytes that each thread needs
  virtual size_t shared() const { return 0; }      // bytes that all threads need together, from phase to phase
  virtual void run(int phase, const Worker& worker) = 0;
};

}  // namespace underone
