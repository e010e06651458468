#include "plan.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <exception>

#include "cell_steps.h"
#include "machine.h"
#include "memory.h"
#include "plain.h"
#include "steps.h"
#include "threads.h"

namespace underone {

namespace {

// One operator on plain tensors; each thread does its share.
class PlainStep : public Step {
 public:
  PlainStep(std::unique_ptr<Plain> plain, const std::vector<Tensor>& from, const std::vector<Tensor>& to, const StepPlan& step, char* const* data, int threads)
      : plain(std::move(plain)), in(from.size()), out(to.size()), step(step), data(data) {
    for (int i = 0; i < threads; i++) {
      tensors.insert(tensors.end(), from.begin(), from.end());
      tensors.insert(tensors.end(), to.begin(), to.end());
    }
  }

  void run(int, const Worker& worker) override {
    Tensor* const mine = tensors.data() + size_t(worker.thread) * (in + out);
    for (size_t i = 0; i < in; i++) mine[i].data = step.inputs[i] < 0 ? nullptr : data[step.inputs[i]];
    for (size_t i = 0; i < out; i++) mine[in + i].data = data[step.outputs[i]];
    plain->run({mine, in}, {mine + in, out}, {worker.thread, worker.threads});
  }

 private:
  std::unique_ptr<Plain> plain;
  const size_t in, out;
  std::vector<Tensor> tensors;  // of every thread
  const StepPlan step;
  char* const* data;
};

auto plain_maker(const std::string& isa) {
#if defined(__x86_64__)
  return isa == "avx2" ? avx2::make_plain : avx512::make_plain;
#else
  (void)isa;  // the only one
  return neon::make_plain;
#endif
}

bool on_cells(const StepPlan& step) { return step.op.name.compare(0, 6, "cells.") == 0; }

const Arithmetic& checked_arithmetic(const PlanDescription& d) {
  // "amx" is avx512 and its matrix tiles, "avx512_bf16" is avx512 and vdpbf16ps
  const bool known = d.isa == "amx" ? has_amx() : d.isa == "avx512_bf16" ? has_dots() : std::find(isas().begin(), isas().end(), d.isa) != isas().end();
  if (!known)
    throw Unsupported("this processor has no instruction set '" + d.isa + "'");
  return arithmetic(d.isa, d.precision);
}

}  // namespace

// A map that lies inside another one, from one of its blocks on.
struct Part {
  int whole = -1, block = 0;
};

struct Plan::Parts {
  const Arithmetic& arithmetic;
  const Bytes& quantised;
  std::vector<Tensor> tensors;  // without data
  std::vector<Map> maps;        // of tensors in cells
  std::vector<Part> parts;      // of these, which lie inside another
  std::vector<char> is_map;
  WeightArena packed;
  std::vector<char*> data;      // of every tensor, now
  std::vector<int> inputs, outputs;
  std::vector<std::unique_ptr<Step>> steps;
  std::vector<Tensor> input_types, output_types;
  Storage weights, arena, scratch;
  size_t weight_bytes = 0, activation_bytes = 0, scratch_bytes = 0, shared_bytes = 0;
  int threads;
  std::vector<std::pair<int, int>> copies;  // output position, tensor: outputs that no step writes for the first time

  explicit Parts(const PlanDescription& d);
  size_t working_bytes() const { return scratch_bytes * size_t(threads) + shared_bytes; }
  void check(const PlanDescription& d) const;
  void describe_maps(const PlanDescription& d);
  void store_constants(const PlanDescription& d);
  void give_back_constants(const PlanDescription& d, const StepPlan& step) const;
  std::vector<Place> places(const PlanDescription& d, const std::vector<int>& numbers);
  void place_parts(const PlanDescription& d);
  void place_parts(const PlanDescription& d, const StepPlan& concat);
  void lay_out_activations(const PlanDescription& d);
  std::unique_ptr<Step> make(const PlanDescription& d, const StepPlan& step);
  void run_steps(double* seconds);
  std::unique_ptr<Step> make_cells(const PlanDescription& d, const StepPlan& step);
};

Plan::Parts::Parts(const PlanDescription& d)
    : arithmetic(checked_arithmetic(d)), quantised(bytes_of(d.isa)), tensors(d.tensors), maps(d.tensors.size()), parts(d.tensors.size()), is_map(d.tensors.size()), data(d.tensors.size()), inputs(d.inputs), outputs(d.outputs), threads(d.threads) {
  for (Tensor& tensor : tensors) tensor.data = nullptr;
  check(d);
  describe_maps(d);
  store_constants(d);
  place_parts(d);
  lay_out_activations(d);
  std::string missing;
  for (const StepPlan& step : d.steps) {
    const std::string& label = step.op.label.empty() ? step.op.name : step.op.label;
    try {
      steps.push_back(make(d, step));
      give_back_constants(d, step);
    } catch (const Unsupported& error) {
      missing += (missing.empty() ? "" : "; ") + label + ": " + error.what();  // all are listed, not the first alone
    } catch (const std::invalid_argument& error) {
      throw std::invalid_argument(label + ": " + error.what());
    }
  }
  if (!missing.empty()) throw Unsupported(missing);
  for (auto& step : steps) scratch_bytes = std::max(scratch_bytes, step->scratch()), shared_bytes = std::max(shared_bytes, step->shared());
  scratch_bytes = (scratch_bytes + 2 * kSlack - 1) / kSlack * kSlack;  // each thread reads a little behind its own
  scratch = allocate(working_bytes());
  for (int i : inputs) input_types.push_back(tensors[i]);
  for (int i : outputs) output_types.push_back(tensors[i]);
}

// Every number names a tensor, every tensor is written once, before it is read.
void Plan::Parts::check(const PlanDescription& d) const {
  if (d.threads < 1 || d.threads > 1024)
    throw std::invalid_argument("threads=" + std::to_string(d.threads) + "; 1 to 1024 are allowed");
  std::vector<char> written(tensors.size());
  auto known = [&](int i) {
    if (i < 0 || size_t(i) >= tensors.size()) throw std::invalid_argument("a step names tensor " + std::to_string(i) + ", which does not exist");
    return i;
  };
  auto write = [&](int i) {
    if (written[known(i)]++) throw std::invalid_argument("tensor " + std::to_string(i) + " is written twice");
  };
  auto read = [&](int i) {
    if (!written[known(i)]) throw std::invalid_argument("tensor " + std::to_string(i) + " is read before it is written");
  };
  int64_t sum = 0;
  for (size_t i = 0; i < tensors.size(); i++) {
    if (tensors[i].type == Type::none) throw std::invalid_argument("a tensor has no type");
    sum += bytes(tensors[i]);
    if (sum > 4 * kLargest) throw std::invalid_argument("the tensors of the plan need more than 16 GiB together");
    if (d.tensors[i].data) write(int(i));
  }
  for (int i : inputs) write(i);
  for (const StepPlan& step : d.steps) {
    for (int i : step.inputs) if (i != -1) read(i);
    for (int i : step.outputs) write(i);
  }
  for (int i : outputs) read(i);
}

void Plan::Parts::describe_maps(const PlanDescription& d) {
  if (d.pads.size() != tensors.size()) throw std::invalid_argument("every tensor needs its pad");
  for (size_t i = 0; i < tensors.size(); i++) {
    const Shape& s = tensors[i].shape;
    if (d.pads[i] < 0) continue;
    const bool whole = tensors[i].type == Type::uint8;
    const int lanes = whole ? kByteLanes : arithmetic.lanes;
    const bool fits = (whole || tensors[i].type == Type::float32) && !d.tensors[i].data && s.size() == 4 && s[0] == 1 && s[1] > 0 && s[2] > 0 && s[3] > 0 && d.pads[i] <= 4096;
    if (!fits) throw std::invalid_argument("a map has the shape " + text(s) + "; float32 or uint8 (1, C, H, W) is required");
    const int64_t cells = (s[1] + lanes - 1) / lanes * (s[2] + 2 * d.pads[i]) * (s[3] + 2 * d.pads[i]);
    if (std::max({s[1], s[2], s[3]}) > (1 << 20) || cells > (1 << 25))
      throw std::invalid_argument("a map has the shape " + text(s) + "; at most 2 GiB are allowed");
    maps[i] = {int(s[1]), int(s[2]), int(s[3]), d.pads[i], lanes, nullptr};
    is_map[i] = 1;
  }
  for (const std::vector<int>* border : {&inputs, &outputs})
    for (int i : *border) if (is_map[i]) throw std::invalid_argument("an input or output of the plan is a map");
}

// Constants that operators on plain tensors read; those of the others are packed.
void Plan::Parts::store_constants(const PlanDescription& d) {
  std::vector<size_t> offsets(tensors.size());
  std::vector<char> used(tensors.size());
  for (int i : outputs) used[i] = 1;
  for (const StepPlan& step : d.steps) {
    const size_t packed = !on_cells(step) ? step.inputs.size() : step.op.name == "cells.scale" ? 2 : 1;  // from here on
    for (size_t k = 0; k < std::min(packed, step.inputs.size()); k++) if (step.inputs[k] >= 0) used[step.inputs[k]] = 1;
  }
  for (size_t i = 0; i < tensors.size(); i++)
    if (d.tensors[i].data && used[i]) offsets[i] = weight_bytes, weight_bytes += (size_t(bytes(tensors[i])) + 63) / 64 * 64;
  weights = allocate(weight_bytes);
  for (size_t i = 0; i < tensors.size(); i++) {
    if (!d.tensors[i].data || !used[i]) continue;
    data[i] = weights.get() + offsets[i];
    std::memcpy(data[i], d.tensors[i].data, size_t(bytes(tensors[i])));
  }
}

// What a step has packed need not lie in memory twice. Another step that reads it has its pages read again.
void Plan::Parts::give_back_constants(const PlanDescription& d, const StepPlan& step) const {
  for (int i : step.inputs) if (i >= 0) d.file.give_back(d.tensors[i].data, size_t(bytes(tensors[i])));
}

void Plan::Parts::lay_out_activations(const PlanDescription& d) {
  const int end = int(d.steps.size());
  std::vector<Life> lives(tensors.size(), Life{0, end, -1});
  std::vector<int> owner(tensors.size(), -1);  // position of the output whose array a tensor is written into
  for (int i : inputs) owner[i] = -2;
  for (size_t k = 0; k < outputs.size(); k++) {
    const int i = outputs[k];
    if (owner[i] == -1 && !d.tensors[i].data) owner[i] = int(k);
    else copies.emplace_back(int(k), i);
  }
  for (int s = 0; s < end; s++) {
    for (int i : d.steps[s].outputs) lives[i] = {is_map[i] ? maps[i].bytes() : size_t(bytes(tensors[i])) + 64, s, s};
    for (int i : d.steps[s].inputs) if (i >= 0) lives[i].last = s;
  }
  for (size_t i = 0; i < lives.size(); i++) if (owner[i] != -1 || d.tensors[i].data) lives[i].bytes = 0;
  for (size_t i = 0; i < lives.size(); i++) {
    if (parts[i].whole < 0) continue;
    Life& whole = lives[parts[i].whole];
    whole.first = std::min(whole.first, lives[i].first), whole.last = std::max(whole.last, lives[i].last);
    lives[i].bytes = 0;
  }
  size_t total = 0;
  const std::vector<size_t> offsets = lay_out(lives, total);
  arena = reserve(total);
  activation_bytes = total;
  for (size_t i = 0; i < lives.size(); i++) if (lives[i].bytes) data[i] = arena.get() + offsets[i];
  for (size_t i = 0; i < parts.size(); i++)
    if (parts[i].whole >= 0) data[i] = data[parts[i].whole] + size_t(parts[i].block) * maps[i].pixels() * kCell;
}

// Maps that are put side by side are written there at once, where they are whole blocks. The last concatenation first:
// what it holds may hold parts itself, or be the beginning of it (DenseNet).
void Plan::Parts::place_parts(const PlanDescription& d) {
  for (size_t s = d.steps.size(); s-- > 0;) {
    const Op& op = d.steps[s].op;
    if (op.name != "cells.concat") continue;
    try {
      place_parts(d, d.steps[s]);
    } catch (const std::invalid_argument& error) {
      throw std::invalid_argument((op.label.empty() ? op.name : op.label) + ": " + error.what());
    }
  }
}

void Plan::Parts::place_parts(const PlanDescription& d, const StepPlan& concat) {
  if (concat.outputs.size() != 1 || !is_map[concat.outputs[0]]) return;  // refused when the step is made
  const int out = concat.outputs[0], lanes = maps[size_t(out)].lanes;
  struct Piece { int tensor, channel; };
  std::vector<Piece> whole_pieces;  // operands that may lie where they are wanted
  int channel = 0, last_end = 0;
  bool consecutive = true;  // all of them lie behind one another already
  const std::vector<Place> in = places(d, concat.inputs), result = places(d, concat.outputs);
  for (const Run& run : runs_of({concat.op, in, result})) {
    const int i = concat.inputs[size_t(run.input)];
    const Map& m = maps[size_t(i)];
    const bool whole = run.start == 0 && run.count == m.channels && m.pad == maps[size_t(out)].pad && channel % lanes == 0;
    if (whole) whole_pieces.push_back({i, channel});
    consecutive &= whole && parts[i].whole >= 0 && parts[i].whole == parts[whole_pieces[0].tensor].whole && (channel == 0 || parts[i].block == last_end);
    last_end = parts[i].block + m.blocks();
    channel += run.count;
  }
  if (whole_pieces.empty()) return;
  if (consecutive && parts[out].whole < 0) {
    parts[out] = parts[whole_pieces[0].tensor];
    return;
  }
  const Part base = parts[out].whole < 0 ? Part{out, 0} : parts[out];
  for (const Piece& piece : whole_pieces)
    if (parts[piece.tensor].whole < 0 && piece.tensor != base.whole) parts[piece.tensor] = {base.whole, base.block + piece.channel / lanes};
}

std::vector<Place> Plan::Parts::places(const PlanDescription& d, const std::vector<int>& numbers) {
  std::vector<Place> list;
  for (int i : numbers) {
    if (i < 0) { list.emplace_back(); continue; }
    list.push_back({tensors[i], maps[i], bool(is_map[i]), &data[i]});
    list.back().tensor.data = d.tensors[i].data;
    list.back().map.data = data[i];
  }
  return list;
}

// A step on maps. Its weights are read from the description and packed.
std::unique_ptr<Step> Plan::Parts::make_cells(const PlanDescription& d, const StepPlan& step) {
  const std::vector<Place> in = places(d, step.inputs), out = places(d, step.outputs);
  return make_cells_step({arithmetic, quantised, packed, d.threads, d.file}, step.op, in, out);
}

std::unique_ptr<Step> Plan::Parts::make(const PlanDescription& d, const StepPlan& step) {
  if (on_cells(step)) return make_cells(d, step);
  for (int i : step.inputs) if (i >= 0 && is_map[i]) throw std::invalid_argument("a plain operator reads a map");
  for (int i : step.outputs) if (is_map[i]) throw std::invalid_argument("a plain operator writes a map");
  std::vector<Tensor> in, out;
  for (int i : step.inputs) {
    in.push_back(i < 0 ? Tensor{} : tensors[i]);
    in.back().data = i >= 0 && d.tensors[i].data ? data[i] : nullptr;
  }
  for (int i : step.outputs) out.push_back(tensors[i]), out.back().data = nullptr;
  auto plain = plain_maker(d.isa)(step.op, {in.data(), in.size()}, {out.data(), out.size()});
  return std::make_unique<PlainStep>(std::move(plain), in, out, step, data.data(), d.threads);
}

// All threads go through all steps and meet after each. When one fails, the others only meet.
void Plan::Parts::run_steps(double* seconds) {
  Barrier barrier(threads);
  std::atomic<bool> failed{false};
  std::exception_ptr error;
  run_on_threads(threads, [&](int thread) {
    const Worker worker{thread, threads, scratch.get() + size_t(thread) * scratch_bytes, scratch.get() + size_t(threads) * scratch_bytes};
    auto start = std::chrono::steady_clock::now();
    for (size_t i = 0; i < steps.size(); i++) {
      Step* const step = steps[i].get();
      for (int phase = 0; phase < step->phases(); phase++) {
        try {
          if (!failed.load(std::memory_order_relaxed)) step->run(phase, worker);
        } catch (...) {
          if (!failed.exchange(true)) error = std::current_exception();
        }
        if (threads > 1) barrier.wait();
      }
      if (!seconds || thread) continue;
      const auto now = std::chrono::steady_clock::now();
      seconds[i] = std::min(seconds[i], std::chrono::duration<double>(now - start).count());
      start = now;
    }
  });
  if (error) std::rethrow_exception(error);
}

Plan::Plan(const PlanDescription& description) : parts(std::make_unique<Parts>(description)) {}
Plan::~Plan() = default;

void Plan::run(const std::vector<const void*>& in, const std::vector<void*>& out) { run(in, out, nullptr); }

void Plan::profile(const std::vector<const void*>& in, const std::vector<void*>& out, std::vector<double>& seconds) {
  seconds.resize(parts->steps.size(), 1e9);
  run(in, out, seconds.data());
}

void Plan::run(const std::vector<const void*>& in, const std::vector<void*>& out, double* seconds) {
  Parts& p = *parts;
  for (size_t k = 0; k < in.size(); k++) p.data[p.inputs[k]] = static_cast<char*>(const_cast<void*>(in[k]));
  for (size_t k = 0; k < out.size(); k++) {
    const bool copied = std::any_of(p.copies.begin(), p.copies.end(), [&](auto& c) { return c.first == int(k); });
    if (!copied) p.data[p.outputs[k]] = static_cast<char*>(out[k]);
  }
  p.run_steps(seconds);
  for (auto [k, tensor] : p.copies) std::memcpy(out[k], p.data[tensor], size_t(bytes(p.tensors[tensor])));
}

void Plan::poison() {
  std::memset(parts->arena.get(), 0xff, parts->activation_bytes);
  std::memset(parts->scratch.get(), 0xff, parts->working_bytes());
}

const std::vector<Tensor>& Plan::inputs() const { return parts->input_types; }
const std::vector<Tensor>& Plan::outputs() const { return parts->output_types; }
size_t Plan::weight_bytes() const { return parts->weight_bytes + parts->packed.used(); }
size_t Plan::activation_bytes() const { return parts->activation_bytes + parts->working_bytes(); }

}  // namespace underone
