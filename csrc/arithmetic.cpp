#include <cstring>

#include "cells.h"
#include "tensor.h"

namespace underone {

char* WeightArena::take(size_t bytes) {
  constexpr size_t chunk = size_t(64) << 20;  // of addresses; what is not used needs no memory
  bytes = (bytes + 63) / 64 * 64;
  if (bytes > left) {
    left = std::max(chunk, bytes);
    chunks.push_back(reserve(left));
    next = chunks.back().get();
  }
  char* p = next;
  next += bytes, left -= bytes, used_ += bytes;
  return p;
}

void unfold(const Window& window, Rows in, int blocks, int rows, int width, char* operand, int stride) {
  for (int i = 0; i < window.height; i++)
    for (int j = 0; j < window.width; j++)
      for (int c = 0; c < blocks; c++) {
        char* to = operand + size_t((i * window.width + j) * blocks + c) * stride * kCell;
        for (int y = 0; y < rows; y++) {
          const char* from = in.data + (c * in.block + size_t(y * window.stride_y + i * window.dilation_y) * in.row + size_t(j) * window.dilation_x) * kCell;
          if (window.stride_x == 1) {
            std::memcpy(to, from, size_t(width) * kCell), to += size_t(width) * kCell;
            continue;
          }
          for (int x = 0; x < width; x++, to += kCell, from += size_t(window.stride_x) * kCell) std::memcpy(to, from, kCell);
        }
      }
}

const Arithmetic& arithmetic(const std::string& isa, const std::string& precision) {
  if (precision != "float32" && precision != "bfloat16")
    throw Unsupported("the native engine calculates in float32 or bfloat16, not in '" + precision + "'");
  const bool wide = precision == "float32";
#if defined(__x86_64__)
  if (isa != "avx2") return wide ? avx512::float32() : avx512::bfloat16(isa == "amx" ? Products::tiles : isa == "avx512_bf16" ? Products::dots : Products::floats);
  return wide ? avx2::float32() : avx2::bfloat16(Products::floats);
#else
  (void)isa;  // the only one
  return wide ? neon::float32() : neon::bfloat16(Products::floats);
#endif
}

}  // namespace underone
