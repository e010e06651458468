// Plan for Python: numpy arrays in, numpy arrays out.
#include <nanobind/ndarray.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include <mutex>
#include <optional>
#include <set>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

#include "bindings.h"
#include "plan.h"

namespace nb = nanobind;

namespace underone {

namespace {

using Input = nb::ndarray<nb::ro, nb::c_contig, nb::device::cpu>;
using Attributes = std::map<std::string, Attribute>;
using TensorRow = std::tuple<std::string, Shape, int>;                                                 // dtype, shape, pad
using StepRow = std::tuple<std::string, std::string, Attributes, std::vector<int>, std::vector<int>>;  // op, label, …

struct Row {
  const char* name;
  Type type;
  nb::dlpack::dtype dtype;
};
const Row kTypes[] = {
    {"float32", Type::float32, nb::dtype<float>()}, {"int64", Type::int64, nb::dtype<int64_t>()},
    {"int32", Type::int32, nb::dtype<int32_t>()},   {"uint8", Type::uint8, nb::dtype<uint8_t>()},
    {"int8", Type::int8, nb::dtype<int8_t>()},      {"bool", Type::boolean, nb::dtype<bool>()},
    {"int16", Type::int16, nb::dtype<int16_t>()},   {"uint16", Type::uint16, nb::dtype<uint16_t>()},
    {"uint32", Type::uint32, nb::dtype<uint32_t>()}, {"uint64", Type::uint64, nb::dtype<uint64_t>()},
    {"float64", Type::float64, nb::dtype<double>()}, {"float16", Type::float16, {uint8_t(nb::dlpack::dtype_code::Float), 16, 1}},
};

const Row& row(const std::string& name) {
  for (const Row& r : kTypes) if (name == r.name) return r;
  throw Unsupported("the native engine has no tensors of " + name);
}

const Row& row(Type type) {
  for (const Row& r : kTypes) if (type == r.type) return r;
  throw std::invalid_argument("a tensor has no type");
}

bool fits(const Input& array, const Tensor& tensor) {
  if (array.ndim() != tensor.shape.size() || array.dtype() != row(tensor.type).dtype) return false;
  for (size_t i = 0; i < tensor.shape.size(); i++) if (int64_t(array.shape(i)) != tensor.shape[i]) return false;
  return true;
}

nb::object empty(const Tensor& tensor) {
  static const nb::object make = nb::module_::import_("numpy").attr("empty");
  nb::list shape;
  for (int64_t size : tensor.shape) shape.append(size);
  return make(nb::tuple(shape), row(tensor.type).name);
}

// A plan and a lock: calls of one plan take turns.
struct PyPlan {
  explicit PyPlan(std::unique_ptr<Plan> made);
  ~PyPlan();
  std::unique_ptr<Plan> plan;
  std::mutex mutex;

  nb::list run(const std::vector<Input>& inputs) { return run(inputs, 0, nullptr); }

  // Seconds of every step, the least of all rounds.
  std::vector<double> profile(const std::vector<Input>& inputs, int rounds) {
    std::vector<double> seconds;
    run(inputs, rounds, &seconds);
    return seconds;
  }

  nb::list run(const std::vector<Input>& inputs, int rounds, std::vector<double>* seconds) {
    const auto& wanted = plan->inputs();
    if (inputs.size() != wanted.size())
      throw std::invalid_argument(std::to_string(inputs.size()) + " inputs were given; " + std::to_string(wanted.size()) + " are required");
    std::vector<const void*> in;
    for (size_t i = 0; i < inputs.size(); i++) {
      if (!fits(inputs[i], wanted[i]))
        throw std::invalid_argument("input " + std::to_string(i) + " does not fit; " + row(wanted[i].type).name + " " + text(wanted[i].shape) + " is required");
      in.push_back(inputs[i].data());
    }
    nb::list results;
    std::vector<void*> out;
    for (const Tensor& tensor : plan->outputs()) {
      nb::object array = empty(tensor);
      out.push_back(nb::cast<nb::ndarray<nb::device::cpu>>(array).data());
      results.append(array);
    }
    {
      nb::gil_scoped_release release;
      std::lock_guard<std::mutex> turn(mutex);
      if (!seconds) plan->run(in, out);
      for (int i = 0; i < rounds; i++) plan->profile(in, out, *seconds);
    }
    return results;
  }
};

// All plans of the process. A child that is forked while another thread is inside `run` inherits that plan's lock taken, and
// nobody who could open it: its locks are made anew.
struct Plans {
  std::mutex mutex;
  std::set<PyPlan*> alive;
};

Plans& plans() {  // never destroyed: a plan may outlive it at the end of the process
  static Plans* const all = [] {
#if defined(__unix__) || defined(__APPLE__)
    pthread_atfork([] { plans().mutex.lock(); }, [] { plans().mutex.unlock(); }, [] {
      for (PyPlan* plan : plans().alive) new (&plan->mutex) std::mutex;
      plans().mutex.unlock();
    });
#endif
    return new Plans;
  }();
  return *all;
}

PyPlan::PyPlan(std::unique_ptr<Plan> made) : plan(std::move(made)) {
  std::lock_guard<std::mutex> guard(plans().mutex);
  plans().alive.insert(this);
}

PyPlan::~PyPlan() {
  std::lock_guard<std::mutex> guard(plans().mutex);
  plans().alive.erase(this);
}

void make(PyPlan* self, const std::vector<TensorRow>& tensors, const std::map<int, Input>& constants, const std::vector<StepRow>& steps,
          const std::vector<int>& inputs, const std::vector<int>& outputs, const std::string& isa, const std::string& precision, int threads, const std::optional<Input>& mapped) {
  PlanDescription d;
  for (auto& [dtype, shape, pad] : tensors) d.tensors.push_back({row(dtype).type, shape, nullptr}), d.pads.push_back(pad);
  static char nothing;  // constants without elements have an address too
  for (auto& [i, array] : constants) {
    if (i < 0 || size_t(i) >= d.tensors.size() || !fits(array, d.tensors[i]))
      throw std::invalid_argument("constant " + std::to_string(i) + " does not have the dtype and shape of its tensor");
    d.tensors[i].data = array.size() ? const_cast<void*>(array.data()) : &nothing;
  }
  for (auto& [op, label, attributes, in, out] : steps) d.steps.push_back({{op, label, attributes}, in, out});
  d.inputs = inputs, d.outputs = outputs, d.isa = isa, d.precision = precision, d.threads = threads;
  if (mapped) d.file = {static_cast<const char*>(mapped->data()), mapped->nbytes()};
  nb::gil_scoped_release release;
  new (self) PyPlan(std::make_unique<Plan>(d));
}

}  // namespace

void bind_plan(nb::module_& m) {
  nb::exception<Unsupported>(m, "Unsupported", PyExc_NotImplementedError);
  nb::class_<PyPlan>(m, "Plan", "A network laid out for one shape of its inputs, ready to run.")
      .def("__init__", &make, nb::arg("tensors"), nb::arg("constants"), nb::arg("steps"), nb::arg("inputs"), nb::arg("outputs"),
           nb::kw_only(), nb::arg("isa"), nb::arg("precision") = "float32", nb::arg("threads") = 1, nb::arg("mapped") = nb::none())
      .def("run", nb::overload_cast<const std::vector<Input>&>(&PyPlan::run), nb::arg("inputs"), "Contiguous arrays in, new arrays out.")
      .def("profile", &PyPlan::profile, nb::arg("inputs"), nb::arg("rounds"), "Seconds of every step, the least of all rounds.")
      .def("poison", [](PyPlan& p) { std::lock_guard<std::mutex> turn(p.mutex); p.plan->poison(); }, "Fill all memory between the steps with NaN, for tests.")
      .def_prop_ro("weight_bytes", [](const PyPlan& p) { return p.plan->weight_bytes(); })
      .def_prop_ro("activation_bytes", [](const PyPlan& p) { return p.plan->activation_bytes(); });
}

}  // namespace underone
