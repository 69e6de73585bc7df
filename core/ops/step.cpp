#include "core/ops/step.h"

#include <algorithm>
#include <cmath>

namespace mlxr::ops {

float Rope::magnitude_at(int position) const {
  if (growth == 0) return magnitude;
  return magnitude * (1 + growth * std::log(1 + std::floor(static_cast<float>(position) / static_cast<float>(growth_tokens))));
}

std::vector<Step::Change> Step::changes(const Weight& w, int rows) const {
  std::vector<Change> all;
  const bool outputs_only = std::cmp_not_equal(rows, batch.tokens.size());
  for (const auto& s : batch.sequences) {
    const auto* change = s.adapter ? s.adapter->find(w) : nullptr;
    if (!change) continue;
    int first = s.first, end = s.first + s.count;
    if (outputs_only) {
      const auto row_of = [&](int token) {
        return static_cast<int>(std::ranges::lower_bound(batch.outputs, token) - batch.outputs.begin());
      };
      first = row_of(first);
      end = row_of(end);
    }
    if (first < end) all.push_back({first, end - first, change});
  }
  return all;
}

}  // namespace mlxr::ops
