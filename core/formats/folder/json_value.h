// JSON from a file that nobody has checked: a tree of values, with limits.
//
// Refused with a sentence: what is not JSON, text that is not UTF-8, a key that an object has twice, nesting deeper than kMaxJsonDepth,
// more values than kMaxJsonValues. So the memory that a file takes is bounded, whatever it says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <mlxrunner/result.h>

namespace mlxr::formats {

inline constexpr std::size_t kMaxJsonDepth = 32;
inline constexpr std::size_t kMaxJsonValues = std::size_t{1} << 22;  // a vocabulary of 262,000 tokens and its merges have 2 million

class Json {
 public:
  using Items = std::vector<Json>;
  using Members = std::vector<std::pair<std::string, Json>>;  // sorted by key
  using Content = std::variant<std::monostate, bool, std::int64_t, double, std::string, Items, Members>;

  Json() = default;
  explicit Json(Content content) : content_(std::move(content)) {}

  // What the value is, or null or nothing if it is something else.
  bool is_null() const { return std::holds_alternative<std::monostate>(content_); }
  std::optional<bool> boolean() const { return copy<bool>(); }
  std::optional<std::int64_t> integer() const { return copy<std::int64_t>(); }
  std::optional<double> number() const;  // an integer counts as a number
  const std::string* text() const { return std::get_if<std::string>(&content_); }
  const Items* items() const { return std::get_if<Items>(&content_); }
  const Members* members() const { return std::get_if<Members>(&content_); }

  // A member of an object. Null when it is absent or null, and when this is not an object.
  const Json* find(std::string_view key) const;

 private:
  template <typename T>
  std::optional<T> copy() const {
    const T* value = std::get_if<T>(&content_);
    return value ? std::optional<T>(*value) : std::nullopt;
  }

  Content content_;
};

// Python's JSON has words for numbers that are none: they become these strings. `quoted` may be parsed by any reader of JSON, and
// unquote_infinities() undoes it.
inline constexpr std::string_view kInfinity = "@Infinity";
std::string quote_infinities(std::string_view text);
std::string unquote_infinities(std::string_view quoted);

// `file_name` begins every error message. Infinity is read as the string kInfinity. Errors: kCorrupt.
Result<Json> parse_json(std::string_view text, std::string_view file_name);

}  // namespace mlxr::formats
