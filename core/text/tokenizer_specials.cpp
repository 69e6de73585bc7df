#include "core/text/tokenizer_specials.h"

#include <algorithm>

namespace mlxr::text {

SpecialTokens::SpecialTokens(std::span<const std::string_view> texts, std::vector<std::int32_t> ids)
    : texts_(texts), sorted_(std::move(ids)) {
  const auto text_of = [this](std::int32_t id) { return texts_[static_cast<std::size_t>(id)]; };
  std::erase_if(sorted_, [&](std::int32_t id) { return text_of(id).empty(); });
  std::ranges::stable_sort(sorted_, {}, text_of);  // char_traits compares bytes as unsigned
  for (const auto id : sorted_) ++first_byte_[static_cast<unsigned char>(text_of(id)[0]) + 1u];
  for (std::size_t b = 0; b < 256; ++b) first_byte_[b + 1] += first_byte_[b];
}

std::optional<SpecialTokens::Match> SpecialTokens::next(std::string_view text, std::size_t from) const {
  if (sorted_.empty()) return std::nullopt;
  for (std::size_t at = from; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (first_byte_[byte] == first_byte_[byte + 1u]) continue;
    if (auto match = longest_at(text, at)) return match;
  }
  return std::nullopt;
}

// Narrows the range of candidates byte by byte; a candidate that ends where we stand is the shortest of the range and so its first.
std::optional<SpecialTokens::Match> SpecialTokens::longest_at(std::string_view text, std::size_t at) const {
  const auto first = static_cast<unsigned char>(text[at]);
  auto low = sorted_.begin() + first_byte_[first];
  auto high = sorted_.begin() + first_byte_[first + 1u];
  std::optional<Match> best;
  for (std::size_t depth = 1; low != high; ++depth) {
    if (texts_[static_cast<std::size_t>(*low)].size() == depth) {
      best = Match{at, depth, *low};
      while (low != high && texts_[static_cast<std::size_t>(*low)].size() == depth) ++low;
    }
    if (at + depth == text.size()) break;
    const auto byte_at_depth = [&](std::int32_t id) { return static_cast<unsigned char>(texts_[static_cast<std::size_t>(id)][depth]); };
    const auto range = std::ranges::equal_range(low, high, static_cast<unsigned char>(text[at + depth]), {}, byte_at_depth);
    low = range.begin();
    high = range.end();
  }
  return best;
}

}  // namespace mlxr::text
