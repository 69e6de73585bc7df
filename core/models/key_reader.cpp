#include "core/models/key_reader.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

namespace mlxr::models {
namespace {

template <typename T>
std::vector<double> doubles(std::span<const T> values) {
  return {values.begin(), values.end()};
}

}  // namespace

int KeyReader::integer(std::string_view key, std::optional<int> otherwise, std::int64_t low, std::int64_t high) {
  return whole(key, number(key, otherwise, static_cast<double>(low), static_cast<double>(high), "an integer"));
}

double KeyReader::number(std::string_view key, std::optional<double> otherwise, double low, double high, const char* kind) {
  const auto values = numbers(key, otherwise, low, high, kind);
  if (std::ranges::adjacent_find(values, std::ranges::not_equal_to()) != values.end())
    note(ErrorCode::kUnsupported, key, "not the same for all layers");
  return values[0];
}

bool KeyReader::boolean(std::string_view key, bool otherwise) {
  if (!find(key)) return otherwise;
  const auto value = metadata_.boolean(prefix_ + std::string(key));
  if (!value) note(ErrorCode::kCorrupt, key, "not a boolean");
  return value.value_or(otherwise);
}

bool KeyReader::has_any(std::string_view key) const {
  return std::ranges::any_of(metadata_.integers(prefix_ + std::string(key)), [](auto value) { return value != 0; });
}

std::vector<int> KeyReader::integers(std::string_view key, int layers, std::optional<int> otherwise, std::int64_t low, std::int64_t high) {
  std::vector<int> result;
  for (const double value : numbers(key, layers, otherwise, static_cast<double>(low), static_cast<double>(high), "an integer"))
    result.push_back(whole(key, value));
  return result;
}

std::vector<double> KeyReader::numbers(std::string_view key, int layers, std::optional<double> otherwise, double low, double high,
                                       const char* kind) {
  const auto values = numbers(key, otherwise, low, high, kind);
  if (std::cmp_equal(values.size(), layers)) return values;
  if (values.size() != 1)
    note(ErrorCode::kCorrupt, key, "an array of " + std::to_string(values.size()) + " numbers for " + std::to_string(layers) + " layers");
  return std::vector<double>(static_cast<std::size_t>(layers), values[0]);
}

void KeyReader::note(ErrorCode code, std::string_view key, const std::string& what) {
  const std::string sentence = "the key " + prefix_ + std::string(key) + " is " + what + ".";
  note(Error{code, (code == ErrorCode::kCorrupt ? "The model's description is damaged: " : "MLXR cannot run this model: ") + sentence});
}

std::vector<double> KeyReader::numbers(std::string_view key, std::optional<double> otherwise, double low, double high, const char* kind) {
  const std::string full = prefix_ + std::string(key);
  if (!metadata_.find(full)) {
    if (!otherwise) note(ErrorCode::kCorrupt, key, "missing");
    return {otherwise.value_or(low)};
  }
  std::vector<double> values;
  if (const auto one = metadata_.number(full)) values = {*one};
  if (values.empty()) values = doubles(metadata_.integers(full));
  if (values.empty()) values = doubles(metadata_.floats(full));
  if (values.empty()) {
    note(ErrorCode::kCorrupt, key, std::string("not ") + kind);
    return {low};
  }
  for (auto& value : values) {
    if (value >= low && value <= high) continue;
    const auto exact = metadata_.integer(full);
    note(ErrorCode::kCorrupt, key, exact ? std::to_string(*exact) : std::to_string(value));
    value = low;
  }
  return values;
}

int KeyReader::whole(std::string_view key, double value) {
  if (value != std::floor(value)) note(ErrorCode::kCorrupt, key, "not an integer");
  return static_cast<int>(value);
}

}  // namespace mlxr::models
