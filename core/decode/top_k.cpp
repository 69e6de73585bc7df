#include "core/decode/top_k.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "core/decode/halfway.h"

namespace mlxr::decode {
namespace {

constexpr float kImpossible = -std::numeric_limits<float>::infinity();
constexpr std::size_t kFew = 256;   // to select among so many costs less than another pass
constexpr std::size_t kGroup = 32;  // values that a few vector comparisons tell to be of no interest

std::size_t count_above(const LogitRow& row, float logit) {
  std::size_t count = 0;
  LogitRow::Block room;
  for (std::size_t b = 0; b < row.n_blocks(); ++b) {
    if (row.most_in(b) <= logit) continue;
    const float* values = row.block(b, room);
    std::int32_t n = 0;
    for (std::size_t i = 0; i < LogitRow::kBlock; ++i) n += values[i] > logit ? 1 : 0;
    count += static_cast<std::size_t>(n);
  }
  return count;
}

}  // namespace

// Puts the tokens above `above`, and not above `most`, into tokens_, by id.
void TopK::gather(const LogitRow& row, float above, float most) {
  tokens_.clear();
  LogitRow::Block room;
  for (std::size_t b = 0; b < row.n_blocks(); ++b) {
    if (row.most_in(b) <= above) continue;
    const float* values = row.block(b, room);
    for (std::size_t first = 0; first < LogitRow::kBlock; first += kGroup) {
      std::int32_t hit = 0;
      for (std::size_t i = first; i < first + kGroup; ++i) hit |= (values[i] > above ? 1 : 0) & (values[i] <= most ? 1 : 0);
      if (hit == 0) continue;
      for (std::size_t i = first; i < first + kGroup; ++i) {
        if (values[i] > above && values[i] <= most) tokens_.push_back({values[i], static_cast<TokenId>(b * LogitRow::kBlock + i)});
      }
    }
  }
}

Place TopK::end(const LogitRow& row, std::size_t k) {
  if (k >= row.size()) return kEnd;
  float low = kImpossible, high = row.most();  // the k-th token's logit is above `low`, and not above `high`
  if (k <= row.n_blocks()) {                   // then each of k blocks has a token as large as the k-th largest maximum
    maxima_ = row.block_maxima();
    std::nth_element(maxima_.begin(), maxima_.begin() + static_cast<std::ptrdiff_t>(k - 1), maxima_.end(), std::greater<>());
    low = std::nextafter(maxima_[k - 1], kImpossible);
  }
  std::size_t above_low = count_above(row, low), above_high = 0;
  if (above_low <= k) return {low, 0};
  // Bisection by value is fast where logits spread evenly; every fourth step, by the count of floats between, bounds the number of steps.
  for (int step = 1; above_low - above_high > kFew; ++step) {
    float middle = low / 2 + high / 2;
    if (step % 4 == 0 || !(middle > low && middle < high)) middle = halfway(low, high);
    if (middle == low) break;
    const std::size_t above = count_above(row, middle);
    (above >= k ? low : high) = middle;
    (above >= k ? above_low : above_high) = above;
  }
  gather(row, low, high);
  const auto last = tokens_.begin() + static_cast<std::ptrdiff_t>(k - above_high - 1);
  if (halfway(low, high) != low) std::nth_element(tokens_.begin(), last, tokens_.end());  // else all are equal, and ordered by id
  return {last->logit, last->id + 1};
}

const std::vector<Place>& TopK::tokens(const LogitRow& row, std::size_t k) {
  tokens_.clear();
  if (k == 0) return tokens_;
  const Place end = this->end(row, k);
  gather(row, std::nextafter(end.logit, kImpossible), row.most());
  std::erase_if(tokens_, [&](const Place& token) { return !(token < end); });
  std::sort(tokens_.begin(), tokens_.end());
  return tokens_;
}

}  // namespace mlxr::decode
