// Steps on feature maps in cells. Their operators are made by underone.native.lower; the names begin with "cells.".
#pragma once
#include <memory>

#include "bytes.h"
#include "step.h"
#include "tensor.h"

namespace underone {

// An operand or result of a step: a plain tensor, or a map.
struct Place {
  Tensor tensor;             // data: of constants
  Map map;                   // pad >= 0 when it is one
  bool is_map = false;
  char* const* data = nullptr;  // where the pointer of a plain tensor stands while the plan runs
};

struct StepMaker {
  const Arithmetic& arithmetic;
  const Bytes& bytes;
  WeightArena& arena;
  int threads;
  FileView file = {};  // that constants may lie in
  const Convolutions& of(const Map& map) const { return map.lanes == kByteLanes ? bytes.convolutions : arithmetic; }
};

// Throws std::invalid_argument when anything does not fit; Unsupported for an unknown name.
std::unique_ptr<Step> make_cells_step(const StepMaker& maker, const Op& op, const std::vector<Place>& in, const std::vector<Place>& out);

}  // namespace underone
