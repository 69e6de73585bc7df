// The distribution over a row of logits, at a temperature: how likely some tokens are together, and a draw from them.
#pragma once

#include <vector>

#include "core/decode/logit_row.h"
#include "core/decode/place.h"
#include "core/decode/weigh.h"

namespace mlxr::decode {

// A token's weight is exp((logit - largest logit) / temperature), in float: from 1 down to 0, with a relative error of at most
// 3e-7 + 1e-7 * (largest logit - logit) / temperature; it is 0 where that quotient exceeds 87. Weights are added in double, in an order
// that only the vocabulary's size determines, so a draw is the same on every machine and on any thread.
class Softmax {
 public:
  // Looks at `row` from now on, which must stay where it is. temperature > 0.
  void start(const LogitRow& row, float temperature);

  // Adds the weights of the tokens before this place. The next draw is from them. One pass over the blocks that have such a token.
  double take_before(const Place& end);
  // The token at which the weights of those taken, added by id, exceed `part` in [0, 1) of their sum. Their sum must not be 0.
  Place draw(double part) const;

  // The place before which all tokens weigh at least `weight`, in [0, 1], and behind which all weigh less.
  Place cut_at(double weight) const;

 private:
  double weigh_before(const Place& end, std::size_t block, LogitRow::Block& weights) const;

  const LogitRow* row_ = nullptr;
  Scale scale_;
  Place end_ = kEnd;
  double sum_ = 0;
  std::vector<double> sums_;  // by block
};

}  // namespace mlxr::decode
