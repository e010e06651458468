// Makers of the steps on maps that have a file of their own (cell_*.cpp).
#pragma once
#include "operands.h"

namespace underone {

std::unique_ptr<Step> make_pool(const StepMaker& maker, const Operands& operands);
std::unique_ptr<Step> make_resize(const StepMaker& maker, const Operands& operands);
std::unique_ptr<Step> make_labels(const StepMaker& maker, const Operands& operands);
std::unique_ptr<Step> make_rows(const StepMaker& maker, const Operands& operands);
std::unique_ptr<Step> make_concat(const StepMaker& maker, const Operands& operands);
std::unique_ptr<Step> make_affine(const StepMaker& maker, const Operands& operands);
std::unique_ptr<Step> make_matmul(const StepMaker& maker, const Operands& operands);
std::unique_ptr<Step> make_bytes_stem(const StepMaker& maker, const Operands& operands);
std::unique_ptr<Step> make_quantize(const StepMaker& maker, const Operands& operands);
std::unique_ptr<Step> make_dequantize(const StepMaker& maker, const Operands& operands);
std::unique_ptr<Step> make_bytes_binary(const StepMaker& maker, const Operands& operands);
std::unique_ptr<Step> make_bytes_table(const StepMaker& maker, const Operands& operands);
std::unique_ptr<Step> make_bytes_mean(const StepMaker& maker, const Operands& operands);
std::unique_ptr<Step> make_dense(const StepMaker& maker, const Operands& operands);

// Channels [start, start + count) of operand `input`.
struct Run {
  int input, start, count;
};
// The attribute `runs` of cells.concat: Throws std::invalid_argument when they do not fit the maps.
std::vector<Run> runs_of(const Operands& operands);

}  // namespace underone
