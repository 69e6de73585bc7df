// Typed metadata of a model file: key → value, as GGUF stores it. Strings are views into the head of the file (GgufContents::head).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <mlxrunner/result.h>

namespace mlxr::formats {

// Integers of every width are widened to int64 (uint64 above its range is refused when read), floats to double.
// An array of arrays is legal in a file, but no model in the field has one: its key is present with std::monostate.
using Value = std::variant<std::monostate, bool, std::int64_t, double, std::string_view, std::vector<bool>, std::vector<std::int64_t>,
                           std::vector<float>, std::vector<std::string_view>>;

// What a value is, for a message: "an integer", "a list of strings".
std::string_view kind_of(const Value& value);

class Metadata {
 public:
  const Value* find(std::string_view key) const;

  // The value, or nothing when the key is absent or of another type.
  std::optional<std::int64_t> integer(std::string_view key) const;
  std::optional<double> number(std::string_view key) const;  // an integer counts as a number
  std::optional<bool> boolean(std::string_view key) const;   // so do the integers 0 and 1
  std::optional<std::string_view> string(std::string_view key) const;
  std::span<const std::string_view> strings(std::string_view key) const;  // empty when absent
  std::span<const float> floats(std::string_view key) const;
  std::span<const std::int64_t> integers(std::string_view key) const;
  std::optional<std::vector<float>> numbers(std::string_view key) const;  // of floats or of integers

  // Adds a value. Returns false when the key is already present.
  bool insert(std::string key, Value value);

  const std::map<std::string, Value, std::less<>>& all() const { return values_; }

 private:
  std::map<std::string, Value, std::less<>> values_;
};

}  // namespace mlxr::formats
