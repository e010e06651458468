#include "beside_torch.h"

#include <atomic>

#include "threads.h"

#if defined(__unix__) || defined(__APPLE__)
#include <dlfcn.h>
#endif

namespace underone {

namespace {

using Parallel = void(void (*body)(void*), void* data, unsigned threads, unsigned flags);  // of GCC's and LLVM's runtime

Parallel* openmp() {
#if defined(__unix__) || defined(__APPLE__)
  return reinterpret_cast<Parallel*>(dlsym(RTLD_DEFAULT, "GOMP_parallel"));
#else
  return nullptr;
#endif
}

struct Job {
  const std::function<void(int)>& work;
  const int parts;
  std::atomic<int> next{0};  // there may be fewer threads than were asked for
};

void take_parts(void* data) {
  Job& job = *static_cast<Job*>(data);
  for (int part; (part = job.next.fetch_add(1)) < job.parts;) job.work(part);
}

}  // namespace

void run_beside_torch(int parts, const std::function<void(int)>& work) {
  Parallel* const parallel = parts > 1 ? openmp() : nullptr;
  if (!parallel) return run_on_threads(parts, work);
  Job job{work, parts};
  parallel(take_parts, &job, unsigned(parts), 0);
}

}  // namespace underone
