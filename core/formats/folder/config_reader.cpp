#include "core/formats/folder/config_reader.h"

#include <algorithm>

#include "core/formats/gguf.h"
#include "core/formats/printable.h"

namespace mlxr::formats {

const Json* ConfigReader::find(std::string_view name) {
  const auto there = name_there(name);
  read_.emplace(name);
  read_.emplace(there);
  return object_ ? object_->find(there) : nullptr;
}

std::string_view ConfigReader::name_there(std::string_view name) const {
  const auto renamed = std::ranges::find(names_, name, &std::pair<std::string_view, std::string_view>::first);
  return renamed != names_.end() && object_ && object_->find(renamed->second) ? renamed->second : name;
}

std::optional<double> ConfigReader::number(std::string_view name) {
  const auto* value = find(name);
  if (value && !value->number()) note(ErrorCode::kCorrupt, name, "not a number");
  return value ? value->number() : std::nullopt;
}

std::optional<std::int64_t> ConfigReader::integer(std::string_view name) {
  const auto* value = find(name);
  if (value && !value->integer()) note(ErrorCode::kCorrupt, name, "not an integer");
  return value ? value->integer() : std::nullopt;
}

std::int64_t ConfigReader::count(std::string_view name, std::int64_t most) {
  const auto value = integer(name);
  if (!value || *value < 1 || *value > most) note(ErrorCode::kCorrupt, name, value ? std::to_string(*value) : "missing");
  return std::clamp<std::int64_t>(value.value_or(1), 1, most);
}

std::optional<bool> ConfigReader::boolean(std::string_view name) {
  const auto* value = find(name);
  if (value && !value->boolean()) note(ErrorCode::kCorrupt, name, "not a boolean");
  return value ? value->boolean() : std::nullopt;
}

const std::string* ConfigReader::text(std::string_view name) {
  const auto* value = find(name);
  if (value && !value->text()) note(ErrorCode::kCorrupt, name, "not a string");
  return value ? value->text() : nullptr;
}

std::vector<double> ConfigReader::numbers(std::string_view name) {
  const auto* value = find(name);
  std::vector<double> numbers;
  if (!value) return numbers;
  const auto is_number = [](const Json& item) { return item.number().has_value(); };
  if (!value->items() || !std::ranges::all_of(*value->items(), is_number)) {
    note(ErrorCode::kCorrupt, name, "not a list of numbers");
    return numbers;
  }
  for (const auto& item : *value->items()) numbers.push_back(*item.number());
  return numbers;
}

ConfigReader ConfigReader::object(std::string_view name) {
  const auto* value = find(name);
  if (value && !value->members()) note(ErrorCode::kCorrupt, name, "not an object");
  return ConfigReader(value, file_name_, path_ + std::string(name) + ".");
}

void ConfigReader::note(ErrorCode code, std::string_view name, const std::string& what) {
  const std::string sentence = harmless(path_ + std::string(name_there(name))) + " is " + what;
  if (code == ErrorCode::kCorrupt) return note(damaged(file_name_, sentence).error());
  note({code, "MLXR cannot run this model yet: in " + file_name_ + ", " + sentence + "."});
}

Result<void> ConfigReader::finish(std::span<const std::string_view> harmless_members) {
  if (problem_) return fail(*problem_);
  if (!object_ || !object_->members()) return {};
  for (const auto& [name, value] : *object_->members()) {
    const bool empty = (value.items() && value.items()->empty()) || (value.members() && value.members()->empty());
    if (value.is_null() || empty || read_.contains(name) || std::ranges::find(harmless_members, name) != harmless_members.end()) continue;
    return fail(ErrorCode::kUnsupported, "MLXR does not know the key " + printable(path_ + name) + " in " + file_name_ +
                                             ", which may change what the model computes, so it does not run the model.");
  }
  return {};
}

}  // namespace mlxr::formats
