#include "core/decode/top_k.h"

#include <algorithm>
#include <limits>

namespace mlxr::decode {
namespace {

constexpr std::size_t kBlock = 64;  // vector compares skip a whole block, and nearly all blocks of a vocabulary are skipped

bool before(const Candidate& a, const Candidate& b) { return a.logit > b.logit || (a.logit == b.logit && a.id < b.id); }

struct Found {
  int above = 0;  // whether a logit of the block is above the threshold
  int bad = 0;    // whether one is NaN or plus infinity
};

Found look(const float* logits, float threshold) {
  Found found;
  for (std::size_t i = 0; i < kBlock; ++i) {
    found.above |= logits[i] > threshold;
    found.bad |= !(logits[i] <= std::numeric_limits<float>::max());
  }
  return found;
}

}  // namespace

void top_k(std::span<const float> logits, std::size_t k, std::vector<Candidate>& result) {
  result.clear();
  if (k == 0) return;
  k = std::min(k, logits.size());
  float threshold = -std::numeric_limits<float>::infinity();  // what a logit must exceed; the least of `result` once that is full
  for (std::size_t begin = 0; begin < logits.size(); begin += kBlock) {
    float block[kBlock];
    const std::size_t count = std::min(kBlock, logits.size() - begin);
    const float* values = logits.data() + begin;
    if (count < kBlock) {
      std::fill(std::copy_n(values, count, block), block + kBlock, -std::numeric_limits<float>::infinity());
      values = block;
    }
    const Found found = look(values, threshold);
    if (found.bad) return result.clear();
    if (!found.above) continue;
    for (std::size_t i = 0; i < count; ++i) {
      if (!(values[i] > threshold)) continue;
      result.push_back({static_cast<TokenId>(begin + i), values[i]});
      if (result.size() < k) continue;
      if (result.size() == k) {
        std::make_heap(result.begin(), result.end(), before);
      } else {
        std::push_heap(result.begin(), result.end(), before);
        std::pop_heap(result.begin(), result.end(), before);
        result.pop_back();
      }
      threshold = result.front().logit;
    }
  }
  std::sort(result.begin(), result.end(), before);
}

}  // namespace mlxr::decode
