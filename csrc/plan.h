// A plan: steps in execution order on memory that was laid out once.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "memory.h"
#include "step.h"
#include "tensor.h"

namespace underone {

// What a plan is made of. Tensors are known by their number.
struct StepPlan {
  Op op;
  std::vector<int> inputs, outputs;  // an operand that is left out: -1
};
struct PlanDescription {
  std::vector<Tensor> tensors;  // data: set for constants, which must outlive the making of the plan only
  std::vector<int> pads;        // of tensors that lie in cells (cells.h): pixels of border; -1: plain
  std::vector<StepPlan> steps;
  std::vector<int> inputs, outputs;
  std::string isa = "avx2", precision = "float32";
  int threads = 1;
  FileView file = {};  // that constants may lie in: its pages are given back as they are packed
};

class Plan {
 public:
  // Throws std::invalid_argument or Unsupported, with the step's label in front.
  explicit Plan(const PlanDescription& description);
  ~Plan();
  // Data of the inputs in, of the outputs out; types and shapes are those of the description. One call at a time.
  void run(const std::vector<const void*>& inputs, const std::vector<void*>& outputs);
  // Runs, and lowers `seconds` of every step to the time that it took this time.
  void profile(const std::vector<const void*>& inputs, const std::vector<void*>& outputs, std::vector<double>& seconds);
  // Fills all memory between the steps with NaN: what a later run reads without having written it shows.
  void poison();
  const std::vector<Tensor>& inputs() const;
  const std::vector<Tensor>& outputs() const;
  size_t weight_bytes() const, activation_bytes() const;

 private:
  void run(const std::vector<const void*>& inputs, const std::vector<void*>& outputs, double* seconds);
  struct Parts;
  std::unique_ptr<Parts> parts;
};

}  // namespace underone
