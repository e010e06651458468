// What this processor can do, asked once.
#pragma once
#include <string>
#include <vector>

namespace underone {

// Instruction sets that are compiled in and that this processor has, the best first: "avx512", "avx2".
const std::vector<std::string>& isas();

// Whether AMX tiles multiply bfloat16 here and the system lets us; it is asked the first time.
bool has_amx();

// Whether vdpbf16ps exists, and whether it is worth using; that is timed the first time, about a millisecond.
bool has_dots();
bool has_fast_dots();

// Whether there are vpdpbusd on 512 bits, and AMX tiles of bytes: what quantised maps are multiplied by.
bool has_vnni();
bool has_amx_bytes();

}  // namespace underone
