#include "plain.h"

namespace underone::UNDERONE_ISA {

std::unique_ptr<Plain> make_plain(const Op& op, Span<const Tensor>, Span<const Tensor>) {
  throw Unsupported(op.name + " is no operator of the native engine");
}

}  // namespace underone::UNDERONE_ISA
