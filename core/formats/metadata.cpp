#include "core/formats/metadata.h"

#include <iterator>
#include <utility>

namespace mlxr::formats {
namespace {

template <typename T>
const T* get(const Metadata& metadata, std::string_view key) {
  const Value* value = metadata.find(key);
  return value ? std::get_if<T>(value) : nullptr;
}

template <typename T>
std::optional<T> copy(const Metadata& metadata, std::string_view key) {
  const T* value = get<T>(metadata, key);
  return value ? std::optional<T>(*value) : std::nullopt;
}

template <typename T>
std::span<const T> view(const Metadata& metadata, std::string_view key) {
  const auto* values = get<std::vector<T>>(metadata, key);
  return values ? std::span<const T>(*values) : std::span<const T>();
}

}  // namespace

std::string_view kind_of(const Value& value) {
  static constexpr std::string_view kKinds[] = {"a list of lists",    "a boolean",         "an integer",
                                                "a number",           "a string",          "a list of booleans",
                                                "a list of integers", "a list of numbers", "a list of strings"};
  static_assert(std::variant_size_v<Value> == std::size(kKinds));
  return kKinds[value.index()];
}

const Value* Metadata::find(std::string_view key) const {
  const auto it = values_.find(key);
  return it == values_.end() ? nullptr : &it->second;
}

std::optional<std::int64_t> Metadata::integer(std::string_view key) const { return copy<std::int64_t>(*this, key); }

std::optional<double> Metadata::number(std::string_view key) const {
  if (const auto whole = integer(key)) return static_cast<double>(*whole);
  return copy<double>(*this, key);
}

std::optional<bool> Metadata::boolean(std::string_view key) const {
  if (const auto whole = integer(key); whole && (*whole == 0 || *whole == 1)) return *whole == 1;
  return copy<bool>(*this, key);
}
std::optional<std::string_view> Metadata::string(std::string_view key) const { return copy<std::string_view>(*this, key); }

std::span<const std::string_view> Metadata::strings(std::string_view key) const { return view<std::string_view>(*this, key); }
std::span<const float> Metadata::floats(std::string_view key) const { return view<float>(*this, key); }
std::span<const std::int64_t> Metadata::integers(std::string_view key) const { return view<std::int64_t>(*this, key); }

std::optional<std::vector<float>> Metadata::numbers(std::string_view key) const {
  if (const auto* floats = get<std::vector<float>>(*this, key)) return *floats;
  if (const auto* whole = get<std::vector<std::int64_t>>(*this, key)) return std::vector<float>(whole->begin(), whole->end());
  return std::nullopt;
}

bool Metadata::insert(std::string key, Value value) { return values_.try_emplace(std::move(key), std::move(value)).second; }

}  // namespace mlxr::formats
