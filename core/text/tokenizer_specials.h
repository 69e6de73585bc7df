// Finds tokens in running text: special ones ("<|im_end|>", "<table>"), and all that begin at a place.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace mlxr::text {

// A sorted list of token texts that answers "which is the longest that starts here?". The cost per position is bounded by the longest
// text in the list, so a scan is linear in the text. Borrows the token texts; safe from any thread once built.
class SpecialTokens {
 public:
  struct Match {
    std::size_t offset;
    std::size_t length;
    std::int32_t id;
  };

  // `ids` name the tokens to find; empty texts are left out.
  SpecialTokens(std::span<const std::string_view> texts, std::vector<std::int32_t> ids);

  // The leftmost match at or after `from`, the longest one at its position.
  std::optional<Match> next(std::string_view text, std::size_t from) const {
    return next(text, from, [](const Match&) { return true; });
  }
  // The same among the matches for which accept(match) is true.
  template <typename Accept>
  std::optional<Match> next(std::string_view text, std::size_t from, Accept accept) const {
    for (std::size_t at = from; at < text.size() && !sorted_.empty(); ++at) {
      std::optional<Match> best;
      each_at(text, at, [&](const Match& match) {
        if (accept(match)) best = match;
      });
      if (best) return best;
    }
    return std::nullopt;
  }

  // Calls f(match) for every match at a position, from the shortest to the longest. Narrows the range of candidates byte by byte; a
  // candidate that ends where we stand is the shortest of the range and so its first.
  template <typename F>
  void each_at(std::string_view text, std::size_t at, F f) const {
    const auto first = static_cast<unsigned char>(text[at]);
    auto low = sorted_.begin() + first_byte_[first];
    auto high = sorted_.begin() + first_byte_[first + 1u];
    const auto text_of = [&](std::int32_t id) { return texts_[static_cast<std::size_t>(id)]; };
    for (std::size_t depth = 1; low != high; ++depth) {
      if (text_of(*low).size() == depth) {
        f(Match{at, depth, *low});
        while (low != high && text_of(*low).size() == depth) ++low;
      }
      if (at + depth == text.size()) break;
      const auto byte_at_depth = [&](std::int32_t id) { return static_cast<unsigned char>(text_of(id)[depth]); };
      const auto range = std::ranges::equal_range(low, high, static_cast<unsigned char>(text[at + depth]), {}, byte_at_depth);
      low = range.begin();
      high = range.end();
    }
  }

 private:
  std::span<const std::string_view> texts_;
  std::vector<std::int32_t> sorted_;             // ids ordered by their texts
  std::array<std::uint32_t, 257> first_byte_{};  // sorted_[first_byte_[b] .. first_byte_[b + 1]) start with byte b
};

}  // namespace mlxr::text
