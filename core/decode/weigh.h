// The inner loop of a softmax: the weights of one block of a row.
#pragma once

#include "core/decode/logit_row.h"

namespace mlxr::decode {

// A token's weight is 2^((logit - most) * scale): `most` is the largest logit of the row, and scale is log2(e) / temperature, finite.
struct Scale {
  float most = 0;
  float scale = 1;

  float weight(float logit) const;
};

// weights[i] = weight of values[i] where that is above `above`, else 0. Returns sum_of(weights).
//   values   (LogitRow::kBlock)
using WeighBlock = double (*)(Scale scale, const float* values, float above, LogitRow::Block& weights);

// Every variant that this processor runs, the plain one first and the fastest last. All give the same bits.
std::span<const WeighBlock> weigh_variants();

// The sum of a block's weights in the one order that every draw is defined by: floats are added four at a time, then doubles.
double sum_of(const LogitRow::Block& weights);

}  // namespace mlxr::decode
