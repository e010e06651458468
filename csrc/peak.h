// The ceiling that kernels are judged against: float32 multiply-adds in registers alone.
#pragma once
#include <cstdint>

namespace underone {

// Runs `rounds` of independent multiply-adds and returns their sum, so that nothing can be left out; the number of
// multiply-adds of one round goes to `count`.
using MultiplyAdds = float(int64_t rounds, int64_t& count);

namespace avx2 {
MultiplyAdds multiply_adds;
}
namespace avx512 {
MultiplyAdds multiply_adds;
}
namespace neon {
MultiplyAdds multiply_adds;
}

}  // namespace underone
