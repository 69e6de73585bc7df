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

}  // namespace mlxr::text
