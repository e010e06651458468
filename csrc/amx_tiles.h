// The tiles of the AMX kernels. For sources that are compiled with AMX.
#pragma once
#include <immintrin.h>

#include <cstdint>

namespace underone::amx {
namespace {

struct __attribute__((packed)) Config {
  uint8_t palette = 1, start = 0, zero[14] = {};
  uint16_t bytes[16] = {};
  uint8_t rows[16] = {};
};

inline void configure(int groups) {  // tiles 0-3: sums, 4-5: operand, 6-7: weight; so many groups of 4 bytes are summed
  Config c;
  for (int t = 0; t < 4; t++) c.bytes[t] = 64, c.rows[t] = 16;
  for (int t = 4; t < 6; t++) c.bytes[t] = uint16_t(4 * groups), c.rows[t] = 16;
  for (int t = 6; t < 8; t++) c.bytes[t] = 64, c.rows[t] = uint8_t(groups);
  asm volatile("" : : "m"(c));  // gcc 12 believes that ldtilecfg reads 8 bytes only, and drops the other stores
  _tile_loadconfig(&c);
}

}  // namespace
}  // namespace underone::amx
