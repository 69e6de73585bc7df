// What the fuzzers of model files require of what was read.
#pragma once

#include <cstdlib>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>

#include "core/formats/metadata.h"

namespace mlxr::fuzz {

inline void require(bool condition) {
  if (!condition) std::abort();
}

// True if there is a result. An error must be a sentence.
template <typename T>
bool is_good(const Result<T>& result) {
  if (!result) require(!result.error().message.empty() && result.error().message.ends_with("."));
  return result.has_value();
}

// Readable to its last byte? AddressSanitizer knows.
inline unsigned touch(std::string_view text) {
  return text.empty() ? 0u : static_cast<unsigned char>(text.front()) + static_cast<unsigned char>(text.back());
}

inline unsigned touch(const formats::Value& value) {
  unsigned sum = 0;
  if (const auto* text = std::get_if<std::string_view>(&value)) sum += touch(*text);
  if (const auto* texts = std::get_if<std::vector<std::string_view>>(&value)) {
    for (const auto text : *texts) sum += touch(text);
  }
  return sum;
}

// Reads the first and the last byte of every text.
inline void touch_all(const formats::Metadata& metadata) {
  volatile unsigned sum = 0;
  for (const auto& [key, value] : metadata.all()) sum = sum + touch(value);
}

}  // namespace mlxr::fuzz
