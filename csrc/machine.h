// What this processor can do, asked once.
#pragma once
#include <string>
#include <vector>

namespace underone {

// Instruction sets that are compiled in and that this processor has, the best first: "amx" (avx512 and its matrix tiles),
// "avx512", "avx2".
const std::vector<std::string>& isas();

}  // namespace underone
