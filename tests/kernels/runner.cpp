// The engine without Python, for processors that tests reach through an emulator alone: plans come in on standard input,
// results go out on standard output. remote.py is the other end.
//
// Numbers are little-endian int64, texts and blocks of bytes begin with their length. Commands of one letter: P makes a
// plan, R runs it, N fills its memory with NaN, S prepares a picture, V the planes of a frame, C turns such planes into RGB, Z
// resizes a picture, M names the instruction set. Every answer begins with a text: empty, or the kind of an error, a colon and
// its message.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "image.h"
#include "machine.h"
#include "operators.h"
#include "plan.h"

namespace underone {
namespace {

void get(void* to, size_t bytes) {
  if (bytes && std::fread(to, 1, bytes, stdin) != bytes) std::exit(0);  // the other end is gone
}
int64_t get_number() {
  int64_t n;
  get(&n, sizeof n);
  return n;
}
double get_real() {
  double x;
  get(&x, sizeof x);
  return x;
}
std::string get_text() {
  std::string s(size_t(get_number()), 0);
  get(s.data(), s.size());
  return s;
}
template <class F>
auto get_list(F item) {
  const size_t size = size_t(get_number());
  std::vector<decltype(item())> list(size);
  for (auto& x : list) x = item();
  return list;
}
std::vector<int> get_ints() { return get_list([] { return int(get_number()); }); }

void put(const void* from, size_t bytes) { std::fwrite(from, 1, bytes, stdout); }
void put_text(const std::string& s) {
  const int64_t n = int64_t(s.size());
  put(&n, sizeof n), put(s.data(), s.size());
}

Type type_of(const std::string& name) {
  for (int i = 1; i <= int(Type::uint64); i++)
    if (text(Type(i)) == name) return Type(i);
  throw Unsupported("no tensors of " + name);
}

Attribute get_attribute() {
  switch (get_text()[0]) {
    case 'i': return get_number();
    case 'f': return get_real();
    case 's': return get_text();
    case 'I': return get_list(get_number);
    default: return get_list(get_real);
  }
}

StepPlan get_step() {
  StepPlan step;
  step.op.name = get_text(), step.op.label = get_text();
  for (int64_t n = get_number(); n > 0; n--) {
    const std::string name = get_text();
    step.op.attributes[name] = get_attribute();
  }
  step.inputs = get_ints(), step.outputs = get_ints();
  return step;
}

std::unique_ptr<Plan> get_plan() {
  PlanDescription d;
  std::vector<std::string> types;
  for (int64_t n = get_number(); n > 0; n--) {
    types.push_back(get_text());
    d.tensors.push_back({Type::none, get_list(get_number), nullptr});
    d.pads.push_back(int(get_number()));
  }
  std::vector<std::string> constants(types.size());
  for (int64_t n = get_number(); n > 0; n--) {
    const size_t i = size_t(get_number());
    constants.at(i) = get_text();
    constants[i].reserve(1);
    d.tensors[i].data = constants[i].data();
  }
  d.steps = get_list(get_step);
  d.inputs = get_ints(), d.outputs = get_ints();
  d.isa = get_text(), d.precision = get_text(), d.threads = int(get_number());
  for (size_t i = 0; i < types.size(); i++) d.tensors[i].type = type_of(types[i]);  // all is read: now it may throw
  return std::make_unique<Plan>(d);
}

void run(Plan& plan) {
  std::vector<std::string> in = get_list([] { return get_text(); }), out;
  std::vector<const void*> from;
  std::vector<void*> to;
  for (const std::string& s : in) from.push_back(s.data());
  for (const Tensor& tensor : plan.outputs()) out.emplace_back(size_t(bytes(tensor)), 0);
  for (std::string& s : out) to.push_back(s.data());
  plan.run(from, to);
  put_text("");
  for (const std::string& s : out) put_text(s);
}

const uint8_t* bytes_of(const std::string& s) { return reinterpret_cast<const uint8_t*>(s.data()); }

struct Photo {
  using Read = Pixels;
  std::string content = get_text();
  int64_t height = get_number(), width = get_number();
  bool colour = get_number() != 0;
  operator Pixels() const { return {bytes_of(content), height, width, colour, (colour ? 3 : 1) * width, colour ? 3 : 1, 1}; }
};

// Planes without gaps; those of the chroma in pairs, or one behind the other.
struct Frame {
  using Read = Video;
  std::string luma = get_text(), chroma = get_text();
  int64_t height = get_number(), width = get_number(), step = get_number();
  std::vector<int> f = get_ints();
  operator Video() const {
    const int64_t half = (width + 1) / 2, apart = step == 2 ? 1 : half * ((height + 1) / 2);
    const Colours colours{int16_t(f.at(0)), int16_t(f.at(1)), int16_t(f.at(2)), int16_t(f.at(3)), int16_t(f.at(4)), int16_t(f.at(5))};
    return {bytes_of(luma), bytes_of(chroma), bytes_of(chroma) + apart, height, width, width, step * half, step, colours, false};
  }
};

template <class Source>
void prepare_one() {
  const Source source;
  const int64_t rows = get_number(), columns = get_number();
  const bool last = get_number() != 0;
  Preparation how{get_number(), get_number(), get_number(), get_number(), get_text(), get_number() != 0, get_text(), nullptr};
  const std::string tables = get_text(), isa = get_text();
  how.tables = reinterpret_cast<const float*>(tables.data());
  std::vector<float> out(size_t(rows * columns * channels_of(how.color)));
  prepare(typename Source::Read(source), {out.data(), rows, columns, last}, how, isa);
  put_text("");
  put_text(std::string(reinterpret_cast<const char*>(out.data()), out.size() * sizeof(float)));
}

void convert_frame() {
  const Frame frame;
  const std::string isa = get_text();
  std::string out(size_t(frame.height * frame.width * 3), 0);
  to_rgb(frame, reinterpret_cast<uint8_t*>(out.data()), isa);
  put_text(""), put_text(out);
}

void resize_picture() {
  const Photo photo;
  const int64_t rows = get_number(), columns = get_number();
  const bool mirrored = get_number() != 0, columns_first = get_number() != 0;
  const std::string isa = get_text();
  std::string out(size_t(3 * rows * columns), 0);
  resize(photo, {reinterpret_cast<uint8_t*>(out.data()), rows, columns, mirrored}, columns_first, isa);
  put_text(""), put_text(out);
}

void serve() {
  std::unique_ptr<Plan> plan;
  for (char command; std::fread(&command, 1, 1, stdin) == 1; std::fflush(stdout)) {
    try {
      if (command == 'M') put_text(""), put_text(isas().front());
      if (command == 'S') prepare_one<Photo>();
      if (command == 'V') prepare_one<Frame>();
      if (command == 'C') convert_frame();
      if (command == 'Z') resize_picture();
      if (command == 'P') plan = get_plan(), put_text("");
      if (command == 'R') run(*plan);
      if (command == 'N') plan->poison(), put_text("");
    } catch (const Unsupported& error) {
      put_text(std::string("Unsupported:") + error.what());
    } catch (const std::exception& error) {
      put_text(std::string("ValueError:") + error.what());
    }
  }
}

}  // namespace
}  // namespace underone

int main() { underone::serve(); }
