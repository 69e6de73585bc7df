// Finds special tokens ("<|im_end|>", "<table>") in running text.
#pragma once

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
  std::optional<Match> next(std::string_view text, std::size_t from) const;

 private:
  std::optional<Match> longest_at(std::string_view text, std::size_t at) const;

  std::span<const std::string_view> texts_;
  std::vector<std::int32_t> sorted_;             // ids ordered by their texts
  std::array<std::uint32_t, 257> first_byte_{};  // sorted_[first_byte_[b] .. first_byte_[b + 1]) start with byte b
};

}  // namespace mlxr::text
