#include "threads.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace underone {

namespace {

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Spins until `ready`, or until the time is over: threads that wait longer give their core away.
template <class F>
bool spin(F ready, std::chrono::microseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  do {
    for (int i = 0; i < 64; i++) {
      if (ready()) return true;
      pause();
    }
  } while (std::chrono::steady_clock::now() < end);
  return ready();
}

constexpr std::chrono::microseconds kSpin(200);

// What follows when spinning was in vain: the other thread has lost its core to somebody else, and may have this one.
void lend_core() { std::this_thread::sleep_for(std::chrono::microseconds(1)); }

class Pool {
 public:
  void run(int threads, const std::function<void(int)>& work) {
    std::lock_guard<std::mutex> turn(callers);
    grow(threads - 1);
    {
      std::lock_guard<std::mutex> guard(mutex);
      job = &work;
      left.store(threads - 1, std::memory_order_relaxed);
      wanted = threads - 1;
      round.store(round.load() + 1, std::memory_order_release);
      if (asleep) wake.notify_all();
    }
    work(0);
    while (!spin([&] { return left.load(std::memory_order_acquire) == 0; }, kSpin)) lend_core();
  }

 private:
  void grow(int count) {
    while (int(workers.size()) < count) {
      const int number = int(workers.size());
      workers.emplace_back([this, number, seen = round.load()] { serve(number, seen); });
      workers.back().detach();  // they end with the process
    }
  }

  void serve(int number, unsigned seen) {
    for (;;) {
      auto fresh = [&] { return round.load(std::memory_order_acquire) != seen; };
      if (!spin(fresh, kSpin)) {
        std::unique_lock<std::mutex> lock(mutex);
        asleep++;
        wake.wait(lock, fresh);
        asleep--;
      }
      const std::function<void(int)>* mine = nullptr;
      {
        // A worker that this round does not need may wake late, in a later round: what it does is decided here.
        std::lock_guard<std::mutex> guard(mutex);
        seen = round.load(std::memory_order_relaxed);
        if (number < wanted) mine = job;
      }
      if (!mine) continue;
      (*mine)(number + 1);
      left.fetch_sub(1, std::memory_order_release);
    }
  }

  std::mutex callers, mutex;
  std::condition_variable wake;
  std::vector<std::thread> workers;
  std::atomic<unsigned> round{0};
  std::atomic<int> left{0};
  const std::function<void(int)>* job = nullptr;
  int wanted = 0, asleep = 0;
};

// Never destroyed: its threads may still sleep in it when the process ends.
Pool* pool = nullptr;
std::once_flag made;

Pool& the_pool() {
  std::call_once(made, [] {
    pool = new Pool;
#if defined(__unix__) || defined(__APPLE__)
    pthread_atfork(nullptr, nullptr, [] { pool = new Pool; });  // the child has none of the parent's threads
#endif
  });
  return *pool;
}

}  // namespace

void run_on_threads(int threads, const std::function<void(int)>& work) {
  threads > 1 ? the_pool().run(threads, work) : work(0);
}

void Barrier::wait() {
  const unsigned mine = turn.load(std::memory_order_relaxed);
  if (arrived.fetch_add(1, std::memory_order_acq_rel) == threads - 1) {
    arrived.store(0, std::memory_order_relaxed);
    turn.store(mine + 1, std::memory_order_release);
    return;
  }
  while (!spin([&] { return turn.load(std::memory_order_acquire) != mine; }, kSpin)) lend_core();
}

}  // namespace underone
