// One pool of threads for the whole process.
#pragma once
#include <atomic>
#include <functional>

namespace underone {

// Runs work(0) on the calling thread and work(1) … work(threads - 1) on the pool's, and returns when all are done. Callers
// from several threads take turns, so that no more threads work than were asked for. `work` must not throw.
// Between two calls the pool's threads spin for a moment, then sleep. A forked child gets a pool of its own.
void run_on_threads(int threads, const std::function<void(int)>& work);

// Threads meet here; nobody goes on before all have come.
class Barrier {
 public:
  explicit Barrier(int threads) : threads(threads) {}
  void wait();

 private:
  const int threads;
  std::atomic<int> arrived{0};
  std::atomic<unsigned> turn{0};
};

}  // namespace underone
