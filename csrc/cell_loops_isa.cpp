#include "cell_loops.h"

#include <algorithm>

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
  with_function(finish, [&](auto f) {
    for (int x = 0; x < width; x++) {
      typename Cell::Values v = Cell::load(in + size_t(x) * kCell);
      for (int i = 0; i < Cell::parts; i++) v.v[i] = f(read(ordered[0] + 16 * i) * v.v[i] + read(ordered[1] + 16 * i));
      Cell::save(out + size_t(x) * kCell, v);
    }
  });
}

// Sixteen channels of all pixels, then the next: pixels are read side by side and their channels written at once (81 classes
// of 6 boxes at 20x20, 10x10, …: 244 -> 190 us in float32, 174 -> 100 in bfloat16).
template <class Cell>
void channels_last(const char* in, size_t block, int channels, int width, float* out) {
  for (int c = 0; c < channels; c += 16) {
    const char* cell = in + size_t(c / Cell::lanes) * block + c % Cell::lanes * (kCell / Cell::lanes);
    float* to = out + c;
    const int count = channels - c < 16 ? channels - c : 16;
    for (int x = 0; x < width; x++, cell += kCell, to += channels) {
      alignas(64) float sixteen[16];
      write(count == 16 ? to : sixteen, Cell::in_order(cell));
      if (count < 16) std::copy_n(sixteen, count, to);
    }
  }
}

void pack(const float* in, size_t row, size_t column, int rows, int columns, float factor, float* out, int width) {
  if (column == 1) {
    for (int i = 0; i < rows; i++, out += width) {
      for (int j = 0; j < columns; j++) out[j] = factor * in[size_t(i) * row + j];
      for (int j = columns; j < width; j++) out[j] = 0;
    }
    return;
  }
  for (int first = 0; first < rows; first += 16)  // squares, so that lines are read once
    for (int j = 0; j < width; j++)
      for (int i = first; i < (rows < first + 16 ? rows : first + 16); i++)
        out[size_t(i) * width + j] = j < columns ? factor * in[size_t(i) * row + size_t(j) * column] : 0;
}

void gather(const float* in, size_t row, size_t column, int rows, int columns, char* out, int stride) {
  for (int k = 0; k < columns; k += 16) {
    char* to = out + size_t(k / 16) * stride * kCell;
    const float* from = in + size_t(k) * column;
    if (column == 1 && k + 16 <= columns) {
      for (int i = 0; i < rows; i++) write(to + size_t(i) * kCell, read(from + size_t(i) * row));
      continue;
    }
    const int count = columns - k < 16 ? columns - k : 16;
    for (int i = 0; i < rows; i++) {
      Floats v{};
      for (int j = 0; j < count; j++) v[j] = from[size_t(i) * row + size_t(j) * column];
      write(to + size_t(i) * kCell, v);
    }
  }
}

void finish_row(const Finish& finish, float* values, int count) {
  with_function(finish, [&](auto f) {
    int i = 0;
    for (; i + 16 <= count; i += 16) write(values + i, f(read(values + i)));
    if (i == count) return;
    Floats v{};
    std::memcpy(&v, values + i, size_t(count - i) * 4);
    v = f(v);
    std::memcpy(values + i, &v, size_t(count - i) * 4);
  });
}

float sum_of(Floats v) {
  float total = 0;
  for (int j = 0; j < 16; j++) total += v[j];
  return total;
}

void softmax(float* values, size_t stride, int rows, int columns) {
  const int whole = columns / 16 * 16;
  for (int i = 0; i < rows; i++, values += stride) {
    float last[16], largest = -INFINITY;  // what is left over is filled up with what adds nothing
    for (int j = 0; j < 16; j++) last[j] = whole + j < columns ? values[whole + j] : -INFINITY;
    Floats most = read(last), total{};
    for (int j = 0; j < whole; j += 16) {
      const Floats v = read(values + j);
      most = (most > v) | (most != most) ? most : v;
    }
    for (int j = 0; j < 16; j++) largest = largest > most[j] || largest != largest ? largest : most[j];
    for (int j = 0; j < whole; j += 16) {
      const Floats e = exponential(read(values + j) - largest);
      write(values + j, e), total += e;
    }
    float sum = sum_of(total);
    const Floats rest = exponential(read(last) - largest);
    for (int j = 0; whole + j < columns; j++) values[whole + j] = rest[j], sum += rest[j];
    const float factor = 1 / sum;
    for (int j = 0; j < whole; j += 16) write(values + j, factor * read(values + j));
    for (int j = whole; j < columns; j++) values[j] *= factor;
  }
}

// maps[i] at `width` positions between two rows, each filled up to whole registers with what is not looked at.
void blend_rows(const float* first, const float* second, float weight, size_t plane, int maps, int width, float* out) {
  for (int m = 0; m < maps; m++, first += plane, second += plane)
    for (int x = 0; x < width; x += 16, out += 16) {
      Floats a{}, b{};
      const size_t size = size_t(width - x < 16 ? width - x : 16) * 4;
      std::memcpy(&a, first + x, size), std::memcpy(&b, second + x, size);
      write(out, a + weight * (b - a));
    }
}

// The greatest of many: value(i) of 16 positions, i from 0 up.
template <class F>
Ints place_of_greatest(int count, F value) {
  Floats best = value(0), place{};  // places as floats, exact up to 2^24: vectors of integers stop this compiler
  for (int i = 1; i < count; i++) {
    const Floats v = value(i);
    place = where_below(best, v, all(float(i)), place);
    best = where_below(best, v, v, best);
  }
  return __builtin_convertvector(place, Ints);
}

// Between two points values are straight lines: what is greatest at both is greatest everywhere between.
void greatest(const float* first, const float* second, float weight, size_t plane, int maps, int width, const Stretch* stretches, int count, const float* weights, float* between, int32_t* out) {
  const size_t pitch = size_t(width + 15) / 16 * 16;
  int32_t* const winners = reinterpret_cast<int32_t*>(between + size_t(maps) * pitch);
  blend_rows(first, second, weight, plane, maps, width, between);
  for (size_t x = 0; x < pitch; x += 16) {
    const Ints place = place_of_greatest(maps, [&](int m) { return read(between + m * pitch + x); });
    std::memcpy(winners + x, &place, 64);
  }
  for (const Stretch* s = stretches; s < stretches + count; s++) {
    const int winner = winners[s->first];
    int32_t* const to = out + s->start;
    if (winner == winners[s->second]) {
      for (int i = 0; i < s->count; i++) to[i] = winner;
      continue;
    }
    for (int i = 0; i < s->count; i += 16) {
      const Floats share = read(weights + s->start + i);
      const Ints place = place_of_greatest(maps, [&](int m) {
        const float a = between[m * pitch + s->first], b = between[m * pitch + s->second];
        return a + (b - a) * share;
      });
      std::memcpy(to + i, &place, 64);
    }
  }
}

}  // namespace

const CellLoops float32_loops = {pool<Float32>, sample<Float32>, pick<uint32_t>, pick<uint8_t>, affine<Float32>, channels_last<Float32>, pack, gather, finish_row, softmax, greatest};
const CellLoops bfloat16_loops = {pool<Bfloat16>, sample<Bfloat16>, pick<uint16_t>, pick<uint8_t>, affine<Bfloat16>, channels_last<Bfloat16>, pack, gather, finish_row, softmax, greatest};

}  // namespace underone::UNDERONE_ISA
