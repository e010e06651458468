// Matrix products by vdpbf16ps, pairs of bfloat16 into float32 sums. Hand-written: it shares the weights of the AMX tiles.
#pragma once
#include "cells.h"

namespace underone::dots {

// Operands, weights and result as amx::product has them.
void product(const Product& call);

// Whether vdpbf16ps does more than float32 multiply-adds: on some processors it is slower. Takes about a millisecond.
bool are_fast();

}  // namespace underone::dots
