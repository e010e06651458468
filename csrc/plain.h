// Operators on plain row-major tensors (NCHW), every operator of graph/ops.py: correct for every attribute and rank.
//
// The same source is compiled once per instruction set, in the namespace underone::<isa>.
#pragma once
#include <memory>

#include "tensor.h"

namespace underone {

// One operator with its attributes parsed and its shapes checked. `run` allocates what it needs and throws nothing else
// than std::bad_alloc. It is const: several threads run one operator at once, each its share. Operators that cannot be
// divided do everything in the first share.
class Plain {
 public:
  virtual ~Plain() = default;
  virtual void run(Span<const Tensor> in, Span<const Tensor> out, Share share = {}) const = 0;
};

// Makes one operator. Types and shapes of `in` and `out` are those of every run; `data` is set for constants alone.
// Throws Unsupported (operator, attribute or type that is not implemented; the text names it) or std::invalid_argument
// (operands or outputs do not fit: everything that `run` relies on is checked here).
#define UNDERONE_PLAIN(isa) \
  namespace isa { std::unique_ptr<Plain> make_plain(const Op& op, Span<const Tensor> in, Span<const Tensor> out); }
UNDERONE_PLAIN(avx2)
UNDERONE_PLAIN(avx512)
UNDERONE_PLAIN(neon)

}  // namespace underone
