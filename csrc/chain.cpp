#include "chain.h"

#include <algorithm>
#include <cstring>

namespace underone {

Tiles make_tiles(const Convolutions& a, const Packed& packed, const Map& out, int blocks, int threads, int pitch, size_t extra) {
  const int width = pitch ? pitch : out.width, tile = a.tile_pixels(packed);
  const size_t row_bytes = size_t(blocks) * width * kCell + extra;
  int limit = int(std::max<size_t>(1, (a.operand_bytes() + extra * 2) / row_bytes));
  limit = std::min({limit, out.height, std::max(1, 60000 / width)});
  if (width > 60000) throw Unsupported("rows of more than 60000 pixels are not implemented");
  int count = ceil_div(out.height, limit);
  if (threads > 1 && out.height >= threads) count = ceil_div(count, threads) * threads;
  int rows = ceil_div(out.height, std::min(count, out.height));
  if (threads == 1)
    for (int r = rows; r <= limit; r++)
      if (r * width % tile == 0) { rows = r; break; }
  Tiles tiles;
  tiles.rows = rows, tiles.pixels = rows * width;
  for (int y = 0; y < out.height; y += rows) {
    Tile t{y, std::min(rows, out.height - y), {}};
    t.place.assign(size_t(a.round_up(t.rows * width)), out.spare());
    for (int p = 0; p < t.rows * width; p++) {
      const int x = p % width - (width - out.width) / 2;  // a pitch wider than the map: its border on both sides
      if (x >= 0 && x < out.width) t.place[p] = out.place(y + p / width, x);
    }
    tiles.list.push_back(std::move(t));
  }
  return tiles;
}

static bool same_image(const Map& a, const Map& b) { return a.height == b.height && a.width == b.width; }

// The map to read, or the one that a stem makes of an image.
Map Chain::input(const StepMaker& m, const Operands& o) {
  if (o.in.empty() || o.in[0].is_map) return o.map(0);
  const Place& image = o.plain(0);
  const Window w = o.window("stem_");
  const Shape &s = image.tensor.shape, weight = o.shape(2);
  o.require(s.size() == 4 && s[0] == 1 && elements(s) > 0 && weight.size() == 4 && weight[0] > 0 && weight[0] <= 65536 && weight == Shape{weight[0], s[1], w.height, w.width} &&
                s[2] + w.top + w.bottom >= w.height && s[3] + w.left + w.right >= w.width && std::max(s[2], s[3]) < 65536,
            "has a stem that does not fit its image");
  const Map map = ImageRows::map_of(a, image, w, int(weight[0]));
  o.require(ImageRows::possible(a, image, w, map), "has a stem that is no 3x3 window of stride 2 on 3 channels");
  const bool quantised = a.lanes == kByteLanes;
  stem = std::make_unique<ImageRows>(m, image, w, map, o.layer(2, map.channels, quantised, "expand_"), quantised ? o.quantum("stem_image") : Quantum{});
  return map;
}

// weight (out, channel, tap) -> (out, tap, channel), channels rounded up to whole cells: `k` numbers for each output.
template <class T>
static std::vector<T> tap_by_tap(const T* weight, int out, int channels, int taps, int k) {
  std::vector<T> ordered(size_t(out) * k);
  for (int n = 0; n < out; n++)
    for (int c = 0; c < channels; c++)
      for (int t = 0; t < taps; t++) ordered[size_t(n) * k + t * (k / taps) + c] = weight[(size_t(n) * channels + c) * taps + t];
  return ordered;
}

Chain::Chain(const StepMaker& m, const Operands& o) : a(m.of(o.out_map(0))), in(input(m, o)), out(o.out_map(0)), window(o.window()) {
  const bool quantised = a.lanes == kByteLanes;
  depthwise = o.integer("depthwise", 0) != 0;
  has_added = o.has(1);
  expand.present = o.has(2), spatial.present = depthwise, project.present = o.has(6);
  expand.finish = o.finish("expand_"), spatial.finish = o.finish("spatial_"), project.finish = o.finish("");
  o.require(in.lanes == out.lanes, "reads and writes maps of different formats");
  for (const Stage* s : {&expand, &spatial, &project}) o.require(s->finish.function == Function::none || quantised == bool(s->finish.table), "ends with a function of another format");
  o.require((depthwise || project.present) && (depthwise || !expand.present) && (project.present || !has_added), "has stages that do not go together");
  check_window(o, window, in.height, in.width, out);
  if (has_added) {
    added = o.map(1);
    o.require(same_size(added, out) && added.pad == out.pad, "adds a map of another size or border");
    if (quantised) sum = {o.quantum("sum_a"), o.quantum("sum_b"), o.quantum("sum")};
  }
  expand.border = o.byte("expand_border"), border = o.byte("border");
  int channels = in.channels;
  if (expand.present && !stem) {
    const Shape& w = o.shape(2);
    o.require(w.size() == 4 && w[1] == channels && w[2] == 1 && w[3] == 1 && w[0] <= 65536, "has an expanding weight of another shape");
    channels = int(w[0]);
    expand.packed = a.pack_product(m.arena, o.layer(2, channels, quantised, "expand_"), channels, in.channels);
  }
  if (depthwise) {
    o.require(o.shape(4) == Shape{channels, 1, window.height, window.width}, "has a depthwise weight of another shape");
    spatial.packed = a.pack_depthwise(m.arena, o.layer(4, channels, quantised, "spatial_"), channels, window);
  }
  middle = ceil_div(channels, in.lanes);
  direct = !depthwise && window.taps() == 1 && window.stride_y == 1 && window.stride_x == 1 && same_image(in, out);
  direct &= 4 * in.pitch() <= 5 * in.width;  // a wide border (of a dilated window beside this) is not multiplied
  int operand_blocks = middle;
  if (project.present) {
    const int taps = depthwise ? 1 : window.taps();
    o.require(o.shape(6) == Shape{out.channels, channels, depthwise ? 1 : window.height, depthwise ? 1 : window.width}, "has a weight of another shape");
    const bool computed = o.has(7) && !o.in[7].is_map && !o.in[7].tensor.data;
    if (computed) {
      bias = o.plain(7);
      o.require(!quantised && elements(bias.tensor.shape) == out.channels && out.channels % out.lanes == 0, "has a computed bias that does not fill the cells of its map");
    }
    Layer layer = computed ? Layer{o.constant(6).data} : o.layer(6, out.channels, quantised);
    std::vector<float> ordered;
    std::vector<int8_t> ordered_bytes;
    int k = channels;
    if (taps > 1) {
      k = middle * in.lanes * taps;
      if (quantised) ordered_bytes = tap_by_tap(static_cast<const int8_t*>(layer.weight), out.channels, channels, taps, k), layer.weight = ordered_bytes.data();
      else ordered = tap_by_tap(layer.floats(), out.channels, channels, taps, k), layer.weight = ordered.data();
      operand_blocks = middle * taps;
    }
    project.packed = a.pack_product(m.arena, layer, out.channels, k);
  } else {
    o.require(out.channels == channels, "gives another number of channels");
  }
  if (!expand.present && !direct)  // the map's own border is the padding
    o.require(window.top <= in.pad && window.left <= in.pad && (out.height - 1) * window.stride_y + window.reach_y() - window.top <= in.height + in.pad &&
                  (out.width - 1) * window.stride_x + window.reach_x() - window.left <= in.width + in.pad,
              "reads past the border of its map");
  hidden_pitch = std::max((out.width - 1) * window.stride_x + window.reach_x(), stem ? window.left + in.width : 0);
  const size_t hidden_row = expand.present ? size_t(window.stride_y) * hidden_pitch * middle * kCell : 0;
  auto cut = [&](int threads) {
    if (!project.present) return make_tiles(a, expand.present ? expand.packed : spatial.packed, out, 1, threads, 0, hidden_row);
    return make_tiles(a, project.packed, out, direct ? 0 : operand_blocks, threads, direct ? in.pitch() : 0, direct ? size_t(middle) * in.pitch() * kCell : hidden_row);
  };
  tiles = cut(1);
  common = m.threads > 1 && tiles.list.size() == 1 && project.present && (depthwise || direct) && !stem && project.clamps() && by_channels();
  if (!common && m.threads > 1) tiles = cut(m.threads);
  if (expand.present) plan_hidden(o);
}

// The rows that a tile needs before the depthwise convolution, and where expanded pixels go in them.
void Chain::plan_hidden(const Operands& o) {
  hidden_rows = (tiles.rows - 1) * window.stride_y + window.reach_y();
  const int pitch = in.pitch();
  o.require(int64_t(hidden_rows) * std::max(pitch, hidden_pitch) < 65000, "has rows that are too long");
  if (stem) return;
  hidden_place.assign(size_t(a.round_up(hidden_rows * pitch)), hidden_rows * hidden_pitch);
  for (int y = 0; y < hidden_rows; y++)
    for (int x = 0; x < in.width; x++)
      if (x + window.left < hidden_pitch) hidden_place[size_t(y) * pitch + in.pad + x] = y * hidden_pitch + window.left + x;
}

// On so few pixels (7x7) threads that share channels are done sooner than threads that share rows: all have the same to do,
// no row is expanded twice, and each reads its part of the weights alone. On more, what one thread writes and another reads
// takes longer (14x14, 2 threads: 68 us by rows, 76 us by channels).
constexpr int kFewPixels = 64;
bool Chain::by_channels() const {
  return out.height * out.width <= kFewPixels && (!expand.present || in.height * in.width <= kFewPixels);
}

// A thread's channels between the convolutions: whole panels of the expanding weight, and whole blocks.
Chain::Part Chain::part(int thread, int threads) const {
  if (!expand.present || stem) return {int(long(middle) * thread / threads), int(long(middle) * (thread + 1) / threads), 0, 0};
  const int panels = a.panels(expand.packed), width = expand.packed.panel, together = std::max(1, a.lanes / width);  // panels of a block
  const int units = ceil_div(panels, together);
  const int first = int(long(units) * thread / threads) * together, last = std::min(panels, int(long(units) * (thread + 1) / threads) * together);
  auto block = [&](int panel) { return std::min(middle, panel * width / a.lanes); };
  return {block(first), last == panels ? middle : block(last), first, last};
}

size_t Chain::hidden_bytes() const { return expand.present ? size_t(middle) * (hidden_rows * hidden_pitch + 1) * kCell : 0; }

size_t Chain::operand_bytes() const {
  return project.present && !direct ? size_t(ceil_div(project.packed.in, a.lanes)) * a.round_up(tiles.pixels) * kCell : 0;
}

Chain::Scratch Chain::split(const Worker& w) const {
  char* const between = common ? w.shared : w.scratch;
  Scratch s{between, between + hidden_bytes(), common ? w.scratch : between + between_bytes(), project.packed};
  if (bias.data) s.project.bias = reinterpret_cast<const float*>(*bias.data);
  return s;
}

size_t Chain::scratch() const {
  const size_t wide = expand.present && !stem ? a.product_scratch(expand.packed, hidden_rows * in.pitch()) : 0;
  return (common ? 0 : between_bytes()) + std::max(wide, project.present ? a.product_scratch(project.packed, tiles.pixels) : 0) + kCell;
}

// Asks for cells that another thread may have written, all at once: a miss is waited for much longer than the next one.
static void fetch(const char* cells, size_t count) {
  for (size_t i = 0; i < count; i++) __builtin_prefetch(cells + i * kCell, 0, 2);
}

void Chain::run(int phase, const Worker& worker) {
  if (stem && phase == 0) return stem->prepare(worker);
  if (!common || phase == 0) clear_border(out, worker, border);
  if (!expand.present && !project.present) {  // depthwise alone: threads share the channel blocks
    const int first = worker.first(middle), last = worker.last(middle);
    a.depthwise(spatial.packed, window, rows_of(in, -window.top, -window.left), rows_of(out, 0), first, last, out.height, out.width, spatial.low(), spatial.high());
    if (!spatial.clamps()) {
      Rows rows = rows_of(out, 0);
      rows.data += first * rows.block * kCell;
      a.activate(spatial.finish, rows, last - first, out.height, out.width);
    }
    return;
  }
  const Scratch s = split(worker);
  int done = -1;
  if (common) {
    if (direct || phase == 1) return multiply_share(worker, s);
    return make_operand(tiles.list[0], done, part(worker.thread, worker.threads), s);
  }
  for (int t = worker.first(int(tiles.list.size())); t < worker.last(int(tiles.list.size())); t++) run_tile(tiles.list[t], done, s);
}

void Chain::run_tile(const Tile& tile, int& done, const Scratch& s) const {
  if (!direct) make_operand(tile, done, part(0, 1), s);
  if (!project.present) return;
  a.product(project_call(tile, s));
  if (!project.clamps()) a.activate(project.finish, rows_of(out, tile.y), out.blocks(), tile.rows, out.width);
}

// What the last convolution reads, or the result where there is none: blocks of `part`.
void Chain::make_operand(const Tile& tile, int& done, const Part& part, const Scratch& s) const {
  const Rows from = spatial_input(tile, done, part, s);
  const int stride = a.round_up(tile.rows * out.width);
  if (!depthwise) return unfold(window, from, middle, tile.rows, out.width, s.operand, stride);
  const Rows to = project.present ? Rows{s.operand, size_t(stride), size_t(out.width)} : rows_of(out, tile.y);
  a.depthwise(spatial.packed, window, from, to, part.first, part.last, tile.rows, out.width, spatial.low(), spatial.high());
  const Rows mine{to.data + part.first * to.block * kCell, to.block, to.row};
  if (!spatial.clamps()) a.activate(spatial.finish, mine, part.last - part.first, tile.rows, out.width);
}

Product Chain::project_call(const Tile& tile, const Scratch& s) const {
  const int pixels = tile.rows * (direct ? in.pitch() : out.width);
  const char* const operand = direct ? in.data + size_t(in.place(tile.y, -in.pad)) * kCell : s.operand;
  return {operand, direct ? in.pixels() : a.round_up(pixels), pixels, &s.project, tile.place.data(), project.low(), project.high(), out.data, out.pixels(), has_added ? added.data : nullptr, 0, a.panels(project.packed), s.product, &sum};
}

// A thread's panels of the only tile; of a panel that two threads share, each does some register tiles of pixels.
void Chain::multiply_share(const Worker& worker, const Scratch& s) const {
  const Product whole = project_call(tiles.list[0], s);
  const int size = a.tile_pixels(project.packed), count = ceil_div(whole.pixels, size), pieces = whole.last * count;
  const int first = worker.first(pieces), last = worker.last(pieces);
  auto multiply = [&](int from, int to) {  // pieces: whole panels, or some of one
    if (from >= to) return;
    Product c = whole;
    const int at = from % count * size;
    c.first = from / count, c.last = ceil_div(to, count);
    c.operand += size_t(at) * kCell, c.place += at;
    c.pixels = to % count ? std::min(whole.pixels, to % count * size) - at : whole.pixels - at;
    a.product(c);
  };
  fetch(direct ? in.data : s.operand, size_t(ceil_div(project.packed.in, a.lanes)) * whole.stride);
  const int begin = std::min(last, ceil_div(first, count) * count), end = std::max(begin, last / count * count);
  multiply(first, begin), multiply(begin, end), multiply(end, last);
}

// The rows under a tile: of the input map, or expanded into scratch memory, where rows that the last tile made stay.
Rows Chain::spatial_input(const Tile& tile, int& done, const Part& part, const Scratch& s) const {
  if (!expand.present) return rows_of(in, tile.y * window.stride_y - window.top, -window.left);
  const int block = hidden_rows * hidden_pitch + 1, need = (tile.rows - 1) * window.stride_y + window.reach_y();
  const size_t row = size_t(hidden_pitch) * kCell;
  const int start = tile.y * window.stride_y - window.top;  // image row of the first hidden row
  const int kept = done < 0 ? 0 : std::max(0, done - start);
  for (int c = part.first; c < part.last; c++) {
    char* rows = s.hidden + size_t(c) * block * kCell;
    if (kept) {
      std::memmove(rows, rows + row * (hidden_rows - kept), row * kept);
    } else {
      std::memset(rows, expand.border, row * hidden_rows);
    }
  }
  const int first = std::max(start + kept, 0), last = std::min(start + need, in.height);
  if (first < last) expand_rows(first, last, first - start, part, s);
  for (int c = part.first; c < part.last; c++)  // below the image, and what surplus pixels wrote
    for (int y = std::max(last - start, kept); y < need; y++) std::memset(s.hidden + size_t(c) * block * kCell + y * row, expand.border, row);
  done = start + need;
  return {s.hidden, size_t(block), size_t(hidden_pitch)};
}

// Image rows [first, last) into the hidden rows from `at` on.
void Chain::expand_rows(int first, int last, int at, const Part& part, const Scratch& s) const {
  const int block = hidden_rows * hidden_pitch + 1, rows = last - first;
  const Rows fresh{s.hidden + (at * size_t(hidden_pitch) + window.left) * kCell, size_t(block), size_t(hidden_pitch)};
  if (stem) {
    stem->make(first, rows, expand.low(), expand.high(), fresh);
  } else {
    a.product({in.data + size_t(in.place(first, -in.pad)) * kCell, in.pixels(), rows * in.pitch(), &expand.packed, hidden_place.data() + size_t(at) * in.pitch(), expand.low(), expand.high(), s.hidden, block, nullptr, part.first_panel, part.last_panel, s.product});
  }
  const Rows mine{fresh.data + size_t(part.first) * block * kCell, fresh.block, fresh.row};
  if (!expand.clamps()) a.activate(expand.finish, mine, part.last - part.first, rows, std::min(in.width, hidden_pitch - window.left));
}

}  // namespace underone
