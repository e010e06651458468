// One step of a plan.
#pragma once
#include <cstddef>

namespace underone {

// Where a thread works: its number, how many there are, and scratch memory of its own.
struct Worker {
  int thread = 0, threads = 1;
  char* scratch = nullptr;
  // Its share of `count` pieces: [first, last).
  int first(int count) const { return int(long(count) * thread / threads); }
  int last(int count) const { return int(long(count) * (thread + 1) / threads); }
};

class Step {
 public:
  virtual ~Step() = default;
  virtual int phases() const { return 1; }         // every thread finishes a phase before any begins the next
  virtual size_t scratch() const { return 0; }     // bytes that each thread needs
  virtual void run(int phase, const Worker& worker) = 0;
};

}  // namespace underone
