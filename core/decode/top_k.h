// The most likely tokens, without sorting a vocabulary.
#pragma once

#include <cstddef>
#include <vector>

#include "core/decode/logit_row.h"
#include "core/decode/place.h"

namespace mlxr::decode {

// Finds where the k most likely tokens end. Keeps its memory from call to call; belongs to one thread at a time.
class TopK {
 public:
  // The place behind the k-th token of the order; kEnd if no more than k tokens are possible. k > 0.
  Place end(const LogitRow& row, std::size_t k);
  // The first k tokens in their order; fewer if fewer are possible. Valid until the next call.
  const std::vector<Place>& tokens(const LogitRow& row, std::size_t k);

 private:
  void gather(const LogitRow& row, float above, float most);

  std::vector<float> maxima_;
  std::vector<Place> tokens_;
};

}  // namespace mlxr::decode
