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
