#include "cell_loops.h"

#include "vectors.h"

namespace underone::UNDERONE_ISA {

namespace {

template <class Cell>
void pool(bool average, const char* const* rows, int count, float share, const Taps* taps, int dilation, int width, char* out) {
  using Values = typename Cell::Values;
  for (int x = 0; x < width; x++, out += kCell) {
    Values best;
    for (int i = 0; i < Cell::parts; i++) best.v[i] = all(average ? 0 : -INFINITY);
    for (int r = 0; r < count; r++) {
      const char* at = rows[r] + size_t(taps[x].from) * kCell;
      for (int t = 0; t < taps[x].count; t++, at += size_t(dilation) * kCell) {
        const Values v = Cell::load(at);
        for (int i = 0; i < Cell::parts; i++) best.v[i] = average ? best.v[i] + v.v[i] : (best.v[i] > v.v[i]) | (best.v[i] != best.v[i]) ? best.v[i] : v.v[i];
      }
    }
    if (average)
      for (int i = 0; i < Cell::parts; i++) best.v[i] *= share * taps[x].share;
    Cell::save(out, best);
  }
}

template <class Cell>
void sample(const char* first, const char* second, float weight, const Sample* samples, int width, char* out) {
  using Values = typename Cell::Values;
  for (int x = 0; x < width; x++, out += kCell) {
    const Sample& s = samples[x];
    auto between = [&](const char* row) {
      Values a = Cell::load(row + size_t(s.first) * kCell);
      if (s.weight == 0) return a;
      const Values b = Cell::load(row + size_t(s.second) * kCell);
      for (int i = 0; i < Cell::parts; i++) a.v[i] = (1 - s.weight) * a.v[i] + s.weight * b.v[i];
      return a;
    };
    Values a = between(first);
    if (weight != 0) {
      const Values b = between(second);
      for (int i = 0; i < Cell::parts; i++) a.v[i] = (1 - weight) * a.v[i] + weight * b.v[i];
    }
    Cell::save(out, a);
  }
}

template <class Lane>
void pick(const Pick* picks, int count, int width, char* out) {
  typedef Lane Lanes __attribute__((vector_size(64)));
  for (int x = 0; x < width; x++, out += kCell) {
    Lanes sum{};
    for (int i = 0; i < count; i++) {
      Lanes cell, index, mask;
      std::memcpy(&cell, picks[i].from + size_t(x) * kCell, 64);
      std::memcpy(&index, picks[i].index, 64), std::memcpy(&mask, picks[i].mask, 64);
      sum |= __builtin_shuffle(cell, index) & mask;
    }
    std::memcpy(out, &sum, 64);
  }
}

template <class Cell>
void affine(const Finish& finish, const char* in, const float* factor, const float* shift, int width, char* out) {
  alignas(64) float ordered[2][Cell::lanes];
  for (int j = 0; j < Cell::lanes; j++) ordered[0][Cell::lane(j)] = factor[j], ordered[1][Cell::lane(j)] = shift[j];
  const Finish f = finish;
  for (int x = 0; x < width; x++) {
    typename Cell::Values v = Cell::load(in + size_t(x) * kCell);
    for (int i = 0; i < Cell::parts; i++) v.v[i] = apply(f, read(ordered[0] + 16 * i) * v.v[i] + read(ordered[1] + 16 * i));
    Cell::save(out + size_t(x) * kCell, v);
  }
}

}  // namespace

const CellLoops float32_loops = {pool<Float32>, sample<Float32>, pick<uint32_t>, affine<Float32>};
const CellLoops bfloat16_loops = {pool<Bfloat16>, sample<Bfloat16>, pick<uint16_t>, affine<Bfloat16>};

}  // namespace underone::UNDERONE_ISA
