// peak: how many floating-point operations a second the calling thread can do, measured for a given time.
#include "peak.h"

#include <chrono>
#include <stdexcept>

namespace underone {
namespace {

MultiplyAdds& multiply_adds_of(const std::string& isa) {
#if defined(__x86_64__)
  if (isa == "avx512") return avx512::multiply_adds;
  if (isa == "avx2") return avx2::multiply_adds;
#elif defined(__aarch64__)
  if (isa == "neon") return neon::multiply_adds;
#endif
  throw std::invalid_argument("no instruction set '" + isa + "' is built in");
}

}  // namespace

double peak(const std::string& isa, double seconds) {
  MultiplyAdds& run = multiply_adds_of(isa);
  if (!(seconds > 0 && seconds <= 60)) throw std::invalid_argument("0 < seconds <= 60 is required");
  using Clock = std::chrono::steady_clock;
  constexpr int64_t rounds = 2000;  // tens of microseconds between two looks at the clock
  int64_t count = 0, done = 0;
  volatile float kept = 0;
  const auto start = Clock::now();
  std::chrono::duration<double> passed{};
  do {
    kept = run(rounds, count);
    done += rounds;
    passed = Clock::now() - start;
  } while (passed.count() < seconds);
  (void)kept;
  return 2.0 * double(done) * double(count) / passed.count();
}

}  // namespace underone
