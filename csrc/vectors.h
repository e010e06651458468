// Sixteen floats as one value, whatever the width of the registers; two formats of a cell. Only for sources that are
// compiled once per instruction set: everything lies in that set's namespace.
#pragma once
#include <cstdint>
#include <cstring>

#include "cells.h"

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace underone::UNDERONE_ISA {

typedef float Floats __attribute__((vector_size(64)));
typedef int32_t Ints __attribute__((vector_size(64)));
typedef uint32_t Words __attribute__((vector_size(64)));

static inline Floats all(float x) { return Floats{} + x; }
static inline Floats read(const void* p) { Floats v; std::memcpy(&v, p, 64); return v; }
static inline void write(void* p, Floats v) { std::memcpy(p, &v, 64); }

// a < b ? yes : no in every lane. Of vectors wider than a register, gcc compares one element after the other.
template <class T, class V, class R>
static inline R where_below(V a, V b, R yes, R no) {
#if defined(__AVX512F__)
  return a < b ? yes : no;
#else
#if defined(__AVX2__)
  constexpr int kBytes = 32;
#else
  constexpr int kBytes = 16;
#endif
  typedef T Key __attribute__((vector_size(kBytes)));
  typedef float Piece __attribute__((vector_size(kBytes)));
  Key left[64 / kBytes], right[64 / kBytes];
  Piece first[64 / kBytes], second[64 / kBytes];
  std::memcpy(left, &a, 64), std::memcpy(right, &b, 64), std::memcpy(first, &yes, 64), std::memcpy(second, &no, 64);
  for (int i = 0; i < 64 / kBytes; i++) first[i] = left[i] < right[i] ? first[i] : second[i];
  std::memcpy(&yes, first, 64);
  return yes;
#endif
}
static inline Floats where_below(Floats a, Floats b, Floats yes, Floats no) { return where_below<float>(a, b, yes, no); }
static inline Floats at_least(Floats v, Floats low) { return where_below(v, low, low, v); }  // NaN stays
static inline Floats at_most(Floats v, Floats high) { return where_below(high, v, high, v); }
static inline Floats clamp(Floats v, Floats low, Floats high) { return at_most(at_least(v, low), high); }

// Relative error 2e-7 from -87 to 88; beyond, the values there: a result is finite and positive, so it has a reciprocal.
static inline Floats exponential(Floats x) {
  x = clamp(x, all(-87.3f), all(88.0f));
  const Floats magic = all(12582912.0f);  // 1.5 * 2^23: adding it rounds to the nearest whole number
  const Floats n = (x * 1.44269504f + magic) - magic;
  const Floats r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  Floats p = all(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const Ints bits = (__builtin_convertvector(n, Ints) + 127) << 23;
  Floats scale;
  std::memcpy(&scale, &bits, 64);
  return p * scale;
}
// 1 / x, to the last bit but one; the division of 16 floats takes as long as all the rest of a sigmoid.
static inline Floats reciprocal(Floats x) {
#if defined(__AVX512F__)
  const Floats y = (Floats)_mm512_rcp14_ps((__m512)x);
  return y * (2.0f - x * y);
#else
  return 1.0f / x;
#endif
}
static inline Floats sigmoid(Floats x) { return reciprocal(1.0f + exponential(-x)); }
static inline Floats hyperbolic(Floats x) {  // tanh: an odd polynomial near 0, where the quotient cancels
  const Floats far = 1.0f - 2.0f * reciprocal(exponential(2.0f * x) + 1.0f), s = x * x;
  const Floats near = x * (1.0f + s * (-0.333332819f + s * (0.133314802f + s * (-0.0537397f + s * 0.0206390f))));
  return where_below(all(0.25f), s, far, near);
}
// Source: Abramowitz and Stegun 7.1.5 below 0.5, 7.1.26 above (absolute error 1.5e-7).
static inline Floats error_function(Floats x) {
  const Floats z = x * x, a = where_below(x, all(0), -x, x);
  const Floats near = 1.12837917f * x * (1.0f + z * (-1.0f / 3 + z * (1.0f / 10 + z * (-1.0f / 42 + z * (1.0f / 216 + z * (-1.0f / 1320))))));
  const Floats t = reciprocal(1.0f + 0.3275911f * a);
  const Floats p = t * (0.254829592f + t * (-0.284496736f + t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f))));
  const Floats far = 1.0f - p * exponential(-z);
  return where_below(a, all(0.5f), near, where_below(x, all(0), -far, far));
}

template <Function kFunction>
static inline Floats apply(const Finish& f, Floats v) {
  switch (kFunction) {
    case Function::sigmoid: v = sigmoid(v); break;
    case Function::silu: v = v * sigmoid(v); break;
    case Function::hardsigmoid: v = clamp(v * f.alpha + f.beta, all(0), all(1)); break;
    case Function::hardswish: v = v * clamp(v * (1.0f / 6) + 0.5f, all(0), all(1)); break;
    case Function::tanh: v = hyperbolic(v); break;
    case Function::gelu: v = 0.5f * v * (1.0f + error_function(v * 0.70710678f)); break;
    default: v = clamp(v, all(f.low), all(f.high));
  }
  return v;
}

// Calls g with a function of Floats: the choice is made once, outside its loops.
template <class G>
static inline void with_function(const Finish& finish, G g) {
  const Finish f = finish;  // a copy that no store can change
#define CASE(name) case Function::name: return g([f](Floats v) { return apply<Function::name>(f, v); });
  switch (f.function) {
    CASE(sigmoid) CASE(silu) CASE(hardsigmoid) CASE(hardswish) CASE(tanh) CASE(gelu)
    default: return g([f](Floats v) { return apply<Function::none>(f, v); });
  }
#undef CASE
}
static inline Floats apply(const Finish& finish, Floats v) {
  with_function(finish, [&v](auto f) { v = f(v); });
  return v;
}

// One cell of 16 float32.
struct Float32 {
  static constexpr int lanes = 16, parts = 1;
  struct Values { Floats v[1]; };
  static int lane(int channel) { return channel; }  // where a channel stands among the floats of Values
  static Values load(const void* p) { return {{read(p)}}; }
  static Floats in_order(const char* p) { return read(p); }  // 16 channels
  static void save(void* p, const Values& x) { write(p, x.v[0]); }
};

// One cell of 32 bfloat16: Values holds the even channels, then the odd ones.
struct Bfloat16 {
  static constexpr int lanes = 32, parts = 2;
  struct Values { Floats v[2]; };
  static int lane(int channel) { return channel % 2 * 16 + channel / 2; }
  static Values load(const void* p) {
    Words w;
    std::memcpy(&w, p, 64);
    const Words even = w << 16, odd = w & 0xffff0000u;
    Values x;
    std::memcpy(&x.v[0], &even, 64), std::memcpy(&x.v[1], &odd, 64);
    return x;
  }
  static Floats in_order(const char* p) {
    typedef uint16_t Halves __attribute__((vector_size(32)));
    Halves h;
    std::memcpy(&h, p, 32);
    const Words w = __builtin_convertvector(h, Words) << 16;
    Floats f;
    std::memcpy(&f, &w, 64);
    return f;
  }
  static Words rounded(Floats f) {  // to the nearest, ties to even; NaN stays NaN
    Words u;
    std::memcpy(&u, &f, 64);
    const Words r = u + 0x7fffu + ((u >> 16) & 1u);
    return where_below<int32_t>((Ints)(Words{} + 0x7f800000u), (Ints)(u & 0x7fffffffu), u | 0x400000u, r);
  }
  static void save(void* p, const Values& x) {
    const Words w = (rounded(x.v[0]) >> 16) | (rounded(x.v[1]) & 0xffff0000u);
    std::memcpy(p, &w, 64);
  }
};

}  // namespace underone::UNDERONE_ISA
