// The ceiling that kernels are judged against: float32 multiply-adds in registers alone.
#pragma once
#include <cstdint>
#include <string>

namespace underone {

// Operations a second of the calling thread on this instruction set, measured for 0 < `seconds` <= 60.
// Throws std::invalid_argument.
double peak(const std::string& isa, double seconds);

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
