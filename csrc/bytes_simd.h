// Bytes times bytes in one register's width: sums of four products, and how sums of 64 channels become a cell again. Only for
// sources that are compiled once per instruction set.
//
// The sums of a cell stand in four tiles of 16: tile t holds the channels 16 L + 4 t + e at 4 L + e (L, e from 0 to 3). That is
// the order in which bytes of four rows interleave and sums narrow inside lanes of 128 bits, on every processor.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "bytes.h"

#if defined(__x86_64__)
#include <immintrin.h>
#else
#include <arm_neon.h>
#endif

namespace underone::UNDERONE_ISA {

#define INLINE inline __attribute__((always_inline))

#if defined(__AVX512VNNI__)
constexpr int kBytes = 64, kTilePixels = 6, kTileSums = 4, kOffset = 0;
typedef __m512i Register;
typedef __m512 Reals;
typedef Register Operand, Weights;

INLINE Register load(const void* p) { return _mm512_loadu_si512(p); }
INLINE void store(void* p, Register r) { _mm512_storeu_si512(p, r); }
INLINE Reals reals(const float* p) { return _mm512_loadu_ps(p); }
INLINE Reals all(float x) { return _mm512_set1_ps(x); }
INLINE Operand spread(const char* four) { int x; std::memcpy(&x, four, 4); return _mm512_set1_epi32(x); }
INLINE Operand operand(Register r) { return r; }
INLINE Weights weights(const char* p) { return load(p); }
INLINE Register dot(Register sum, Operand x, Weights w) { return _mm512_dpbusd_epi32(sum, x, w); }
INLINE Reals real(Register whole) { return _mm512_cvtepi32_ps(whole); }
INLINE Reals as_real(Register bits) { return _mm512_castsi512_ps(bits); }
INLINE Register rounded(Reals x) { return _mm512_cvtps_epi32(x); }
INLINE Register minus(Register a, int b) { return _mm512_sub_epi32(a, _mm512_set1_epi32(b)); }
INLINE void interleave(Register a, Register b, Register c, Register d, Register* out) {
  const Register ab = _mm512_unpacklo_epi8(a, b), AB = _mm512_unpackhi_epi8(a, b), cd = _mm512_unpacklo_epi8(c, d), CD = _mm512_unpackhi_epi8(c, d);
  out[0] = _mm512_unpacklo_epi16(ab, cd), out[1] = _mm512_unpackhi_epi16(ab, cd);
  out[2] = _mm512_unpacklo_epi16(AB, CD), out[3] = _mm512_unpackhi_epi16(AB, CD);
}
INLINE Register halved(Register a, Register b) { return _mm512_packs_epi32(a, b); }
INLINE Register raised(Register half, int zero) { return _mm512_adds_epi16(half, _mm512_set1_epi16(short(zero))); }
INLINE Register joined(Register a, Register b) { return _mm512_packus_epi16(a, b); }
INLINE Register bounded(Register y, int low, int high) { return _mm512_min_epu8(_mm512_max_epu8(y, _mm512_set1_epi8(char(low))), _mm512_set1_epi8(char(high))); }
INLINE Reals plus(Reals a, Reals b) { return _mm512_add_ps(a, b); }
INLINE Reals times(Reals a, Reals b) { return _mm512_mul_ps(a, b); }
INLINE Reals fused(Reals a, Reals b, Reals c) { return _mm512_fmadd_ps(a, b, c); }
INLINE Reals limited(Reals x, Reals b) { return _mm512_min_ps(b, _mm512_max_ps(times(b, all(-1)), x)); }  // a NaN becomes a bound
INLINE Register nothing() { return _mm512_setzero_si512(); }

#elif defined(__AVX2__)
constexpr int kBytes = 32, kTilePixels = 4, kTileSums = 2, kOffset = 0;
typedef __m256i Register;
typedef __m256 Reals;
// vpmaddubsw saturates: bytes are widened and multiplied as pairs of 16 bits, the even ones and the odd ones.
struct Pairs { __m256i even, odd; };
typedef Pairs Operand, Weights;

INLINE Register load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
INLINE void store(void* p, Register r) { _mm256_storeu_si256(static_cast<__m256i*>(p), r); }
INLINE Reals reals(const float* p) { return _mm256_loadu_ps(p); }
INLINE Reals all(float x) { return _mm256_set1_ps(x); }
INLINE Operand operand(Register r) { return {_mm256_and_si256(r, _mm256_set1_epi16(255)), _mm256_srli_epi16(r, 8)}; }
INLINE Operand spread(const char* four) { int x; std::memcpy(&x, four, 4); return operand(_mm256_set1_epi32(x)); }
INLINE Weights weights(const char* p) {
  const Register w = load(p);
  return {_mm256_srai_epi16(_mm256_slli_epi16(w, 8), 8), _mm256_srai_epi16(w, 8)};
}
INLINE Register dot(Register sum, const Operand& x, const Weights& w) {
  return _mm256_add_epi32(sum, _mm256_add_epi32(_mm256_madd_epi16(x.even, w.even), _mm256_madd_epi16(x.odd, w.odd)));
}
INLINE Reals real(Register whole) { return _mm256_cvtepi32_ps(whole); }
INLINE Reals as_real(Register bits) { return _mm256_castsi256_ps(bits); }
INLINE Register rounded(Reals x) { return _mm256_cvtps_epi32(x); }
INLINE Register minus(Register a, int b) { return _mm256_sub_epi32(a, _mm256_set1_epi32(b)); }
INLINE void interleave(Register a, Register b, Register c, Register d, Register* out) {
  const Register ab = _mm256_unpacklo_epi8(a, b), AB = _mm256_unpackhi_epi8(a, b), cd = _mm256_unpacklo_epi8(c, d), CD = _mm256_unpackhi_epi8(c, d);
  out[0] = _mm256_unpacklo_epi16(ab, cd), out[1] = _mm256_unpackhi_epi16(ab, cd);
  out[2] = _mm256_unpacklo_epi16(AB, CD), out[3] = _mm256_unpackhi_epi16(AB, CD);
}
INLINE Register halved(Register a, Register b) { return _mm256_packs_epi32(a, b); }
INLINE Register raised(Register half, int zero) { return _mm256_adds_epi16(half, _mm256_set1_epi16(short(zero))); }
INLINE Register joined(Register a, Register b) { return _mm256_packus_epi16(a, b); }
INLINE Register bounded(Register y, int low, int high) { return _mm256_min_epu8(_mm256_max_epu8(y, _mm256_set1_epi8(char(low))), _mm256_set1_epi8(char(high))); }
INLINE Reals plus(Reals a, Reals b) { return _mm256_add_ps(a, b); }
INLINE Reals times(Reals a, Reals b) { return _mm256_mul_ps(a, b); }
INLINE Reals fused(Reals a, Reals b, Reals c) { return _mm256_fmadd_ps(a, b, c); }
INLINE Reals limited(Reals x, Reals b) { return _mm256_min_ps(b, _mm256_max_ps(times(b, all(-1)), x)); }  // a NaN becomes a bound
INLINE Register nothing() { return _mm256_setzero_si256(); }

#else
constexpr int kBytes = 16, kTilePixels = 4, kTileSums = 4;
constexpr int kOffset = 128;  // operands are shifted into int8, and the biases make up for it
typedef int32x4_t Register;
typedef float32x4_t Reals;
typedef int8x16_t Operand, Weights;

INLINE Register load(const void* p) { Register r; std::memcpy(&r, p, 16); return r; }
INLINE void store(void* p, Register r) { std::memcpy(p, &r, 16); }
INLINE Reals reals(const float* p) { return vld1q_f32(p); }
INLINE Reals all(float x) { return vdupq_n_f32(x); }
INLINE Operand operand(Register r) { return veorq_s8(vreinterpretq_s8_s32(r), vdupq_n_s8(-128)); }
INLINE Operand spread(const char* four) { int x; std::memcpy(&x, four, 4); return operand(vdupq_n_s32(x)); }
INLINE Weights weights(const char* p) { return vreinterpretq_s8_s32(load(p)); }
INLINE Register dot(Register sum, Operand x, Weights w) {
#if defined(__ARM_FEATURE_DOTPROD)
  return vdotq_s32(sum, x, w);
#else
  const int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(x), vget_low_s8(w))), high = vpaddlq_s16(vmull_s8(vget_high_s8(x), vget_high_s8(w)));
  return vaddq_s32(sum, vpaddq_s32(low, high));
#endif
}
INLINE Reals real(Register whole) { return vcvtq_f32_s32(whole); }
INLINE Reals as_real(Register bits) { return vreinterpretq_f32_s32(bits); }
INLINE Register rounded(Reals x) { return vcvtnq_s32_f32(x); }
INLINE Register minus(Register a, int b) { return vsubq_s32(a, vdupq_n_s32(b)); }
INLINE void interleave(Register a, Register b, Register c, Register d, Register* out) {
  auto bytes = [](Register r) { return vreinterpretq_u8_s32(r); };
  auto pairs = [](uint8x16_t r) { return vreinterpretq_u16_u8(r); };
  const uint8x16x2_t ab = vzipq_u8(bytes(a), bytes(b)), cd = vzipq_u8(bytes(c), bytes(d));
  for (int i = 0; i < 2; i++) {
    const uint16x8x2_t quads = vzipq_u16(pairs(ab.val[i]), pairs(cd.val[i]));
    for (int j = 0; j < 2; j++) out[2 * i + j] = vreinterpretq_s32_u16(quads.val[j]);
  }
}
INLINE Register halved(Register a, Register b) { return vreinterpretq_s32_s16(vcombine_s16(vqmovn_s32(a), vqmovn_s32(b))); }
INLINE Register raised(Register half, int zero) { return vreinterpretq_s32_s16(vqaddq_s16(vreinterpretq_s16_s32(half), vdupq_n_s16(short(zero)))); }
INLINE Register joined(Register a, Register b) { return vreinterpretq_s32_u8(vcombine_u8(vqmovun_s16(vreinterpretq_s16_s32(a)), vqmovun_s16(vreinterpretq_s16_s32(b)))); }
INLINE Register bounded(Register y, int low, int high) { return vreinterpretq_s32_u8(vminq_u8(vmaxq_u8(vreinterpretq_u8_s32(y), vdupq_n_u8(uint8_t(low))), vdupq_n_u8(uint8_t(high)))); }
INLINE Reals plus(Reals a, Reals b) { return vaddq_f32(a, b); }
INLINE Reals times(Reals a, Reals b) { return vmulq_f32(a, b); }
INLINE Reals fused(Reals a, Reals b, Reals c) { return vfmaq_f32(c, a, b); }
INLINE Reals limited(Reals x, Reals b) { return vminnmq_f32(b, vmaxnmq_f32(vnegq_f32(b), x)); }  // a NaN becomes a bound
INLINE Register nothing() { return vdupq_n_s32(0); }
#endif

constexpr int kSums = kBytes / 4, kPieces = kCell / kBytes;

// How sums become bytes. Lifted ones begin at kLift, the bits of 2^23: as long as they are below 2^23 they are, read as float32,
// 2^23 + sum, and (2^23 + sum) factor - 2^23 factor is one rounded operation, as sum factor is. Negative ones come out
// negative, which is 0 in bytes whose zero is 0, for no factor is below 0. plain: lifted, and saturation is all that is left
// to do.
enum class Form { plain, lifted, any };

// (byte - zero) * step of the channels of a register, in the order of sums.
INLINE void dequantised(Register bytes, const Quantum& q, Reals* out) {
  Register wide[4];
  interleave(bytes, nothing(), nothing(), nothing(), wide);
#pragma GCC unroll 4
  for (int t = 0; t < 4; t++) out[t] = times(real(minus(wide[t], q.zero)), all(q.step));
}
// x / step, correctly rounded, without the latency of a division. Source: Markstein, IA-64 and elementary functions (2000),
// theorem 8.5: one correction by the remainder, with a correctly rounded reciprocal.
INLINE Reals divided(Reals x, const Quantum& q) {
  const Reals first = times(x, all(q.reciprocal));
  return fused(fused(times(first, all(-1)), all(q.step), x), all(q.reciprocal), first);
}

// round(x / step) + zero, within bounds; x in the order of sums, less than 1024 steps where it `fits`.
INLINE Register quantised(const Reals* x, const Quantum& q, bool fits = false) {
  Register v[4];
#pragma GCC unroll 4
  for (int t = 0; t < 4; t++) v[t] = rounded(divided(fits ? x[t] : limited(x[t], all(1024 * q.step)), q));
  return bounded(joined(raised(halved(v[0], v[1]), q.zero), raised(halved(v[2], v[3]), q.zero)), q.low, q.high);
}

// The sum of two registers of bytes.
INLINE Register added(Register a, Register b, const Sum& sum) {
  Reals x[4], y[4];
  dequantised(a, sum.a, x), dequantised(b, sum.b, y);
#pragma GCC unroll 4
  for (int t = 0; t < 4; t++) x[t] = plus(x[t], y[t]);
  return quantised(x, sum.out, sum.fits());
}

// What happens to the sums of one block of channels.
struct Ending {
  Ending() = default;
  Ending(const Packed& packed, int block, float low, float high, const Sum* sum = nullptr)
      : factor(packed.factor + 128 * block), zero(packed.zero), low(int(std::clamp(low, 0.0f, 255.0f))), high(int(std::clamp(high, 0.0f, 255.0f))), lifted(packed.lifted), sum(sum) {}
  Form form() const { return !lifted ? Form::any : low == 0 && high == 255 && !sum ? Form::plain : Form::lifted; }
  const float* factor = nullptr;  // of each sum; behind them what takes the lift away again
  int zero = 0, low = 0, high = 0;
  bool lifted = false;
  const Sum* sum = nullptr;  // with `other`
};

// From sums to bytes, with what all pixels share in registers.
template <Form kForm>
struct Rounding {
  INLINE explicit Rounding(const Ending& e) : e(e), sum(e.sum ? *e.sum : Sum{}) {
#pragma GCC unroll 16
    for (int i = 0; i < 4 * kPieces; i++) {
      factor[i] = reals(e.factor + i % 4 * 16 + i / 4 * kSums);
      if constexpr (kForm == Form::plain) lift[i] = reals(e.factor + 64 + i % 4 * 16 + i / 4 * kSums);
    }
  }

  // Tile t of piece q.
  INLINE Register whole(Register sum, int q, int t) const {
    if constexpr (kForm == Form::plain) return rounded(fused(as_real(sum), factor[4 * q + t], lift[4 * q + t]));
    if constexpr (kForm == Form::lifted) sum = minus(sum, kLift);
    return rounded(times(real(sum), factor[4 * q + t]));
  }
  // Tiles t and t + 1: bytes as whole numbers of 16 bits.
  INLINE Register half(Register a, Register b, int q, int t) const {
    const Register both = halved(whole(a, q, t), whole(b, q, t + 1));
    return kForm == Form::any ? raised(both, e.zero) : both;
  }
  INLINE Register bytes(Register low, Register high) const {
    const Register y = joined(low, high);
    return kForm == Form::plain ? y : bounded(y, e.low, e.high);
  }

  // Sums of 64 channels of one pixel, tiles `step` apart, into its cell; `other`: the cell to add, or null.
  INLINE void put(const int32_t* sums, size_t step, char* out, const char* other = nullptr) const {
    for (int q = 0; q < kPieces; q++) {
      const int32_t* s = sums + q * kSums;
      Register y = bytes(half(load(s), load(s + step), q, 0), half(load(s + 2 * step), load(s + 3 * step), q, 2));
      if constexpr (kForm != Form::plain)
        if (other) y = added(y, load(other + q * kBytes), sum);
      store(out + q * kBytes, y);
    }
  }

  const Ending e;
  const Sum sum;
  Reals factor[4 * kPieces], lift[4 * kPieces];
};

// Calls f with the form as a constant.
template <class F>
INLINE void by_form(Form form, F f) {
  if (form == Form::plain) f(std::integral_constant<Form, Form::plain>());
  else if (form == Form::lifted) f(std::integral_constant<Form, Form::lifted>());
  else f(std::integral_constant<Form, Form::any>());
}

}  // namespace underone::UNDERONE_ISA
