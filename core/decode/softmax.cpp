#include "core/decode/softmax.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "core/decode/halfway.h"

namespace mlxr::decode {
namespace {

constexpr std::size_t kBlock = LogitRow::kBlock;

}  // namespace

void Softmax::start(const LogitRow& row, float temperature) {
  constexpr double kLargest = std::numeric_limits<float>::max();
  row_ = &row;
  scale_ = {row.most(), static_cast<float>(std::min(std::numbers::log2e / temperature, kLargest))};
}

// The weights of a block's tokens before `end`, 0 for the others; returns their sum.
double Softmax::weigh_before(const Place& end, std::size_t b, LogitRow::Block& weights) const {
  static const WeighBlock weigh = weigh_variants().back();
  LogitRow::Block room;
  const float* values = row_->block(b, room);
  // Among equal logits, the tokens before `end` are those of a lower id: all of the block, none, or some.
  const std::int64_t n_lower = end.id - static_cast<std::int64_t>(b * kBlock);
  if (n_lower >= static_cast<std::int64_t>(kBlock)) return weigh(scale_, values, std::nextafter(end.logit, kEnd.logit), weights);
  const double sum = weigh(scale_, values, end.logit, weights);
  if (n_lower <= 0) return sum;
  for (std::size_t i = 0; i < static_cast<std::size_t>(n_lower); ++i) {
    if (values[i] == end.logit) weights[i] = scale_.weight(end.logit);
  }
  return sum_of(weights);
}

double Softmax::take_before(const Place& end) {
  end_ = end;
  sums_.resize(row_->n_blocks());
  sum_ = 0;
  LogitRow::Block weights;
  for (std::size_t b = 0; b < sums_.size(); ++b) {
    const Place first{row_->most_in(b), static_cast<TokenId>(b * kBlock)};  // no token of the block comes before this
    sums_[b] = first < end ? weigh_before(end, b, weights) : 0.0;
    sum_ += sums_[b];
  }
  return sum_;
}

Place Softmax::draw(double part) const {
  double left = part * sum_;
  std::size_t at = 0;
  for (std::size_t b = 0; b < sums_.size(); ++b) {
    if (sums_[b] == 0) continue;
    at = b;  // stays at the last block where rounding leads beyond it
    if (left < sums_[b]) break;
    left -= sums_[b];
  }
  LogitRow::Block weights, room;
  weigh_before(end_, at, weights);
  std::size_t token = 0;
  for (std::size_t i = 0; i < kBlock; ++i) {
    if (weights[i] == 0) continue;
    token = i;
    left -= static_cast<double>(weights[i]);
    if (left < 0) break;
  }
  return {row_->block(at, room)[token], static_cast<TokenId>(at * kBlock + token)};
}

Place Softmax::cut_at(double weight) const {
  float low = kEnd.logit, high = row_->most();
  if (scale_.weight(low) >= weight) return kEnd;
  for (float middle = halfway(low, high); middle != low; middle = halfway(low, high))
    (scale_.weight(middle) < weight ? low : high) = middle;
  return {low, 0};
}

}  // namespace mlxr::decode
