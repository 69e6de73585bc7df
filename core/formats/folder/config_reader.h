// Reads the members of an object of config.json and remembers which it has read: a member that nobody reads could change what the model
// computes, so the model is not run.
#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <mlxrunner/result.h>

#include "core/formats/folder/json_value.h"

namespace mlxr::formats {

class ConfigReader {
 public:
  static constexpr std::int64_t kMaxCount = 1 << 24;

  // `path` stands before the names of members in messages: "rope_scaling.", or nothing. `object` must outlive the reader; null is an object
  // without members.
  ConfigReader(const Json* object, std::string file_name, std::string path = {})
      : object_(object), file_name_(std::move(file_name)), path_(std::move(path)) {}

  // Members that may have another name in the object than they have here: {here, there}. The name there wins. `names` must outlive the
  // reader.
  void rename(std::span<const std::pair<std::string_view, std::string_view>> names) { names_ = names; }

  // A member. Null when it is absent or null.
  const Json* find(std::string_view name);
  // Nothing when it is absent; and when it is something else, which is noted.
  std::optional<double> number(std::string_view name);
  std::optional<std::int64_t> integer(std::string_view name);
  // One that a model must have, from 1 to `most`. What is missing or is something else is noted, and 1 takes its place.
  std::int64_t count(std::string_view name, std::int64_t most = kMaxCount);
  std::optional<bool> boolean(std::string_view name);
  const std::string* text(std::string_view name);
  // A list of numbers. Empty when it is absent.
  std::vector<double> numbers(std::string_view name);
  // A member that is an object; a reader without members when it is absent. finish() of the two is each its own.
  ConfigReader object(std::string_view name);

  bool empty() const { return !object_ || !object_->members() || object_->members()->empty(); }
  const std::string& file_name() const { return file_name_; }

  // The first error stays.
  void note(ErrorCode code, std::string_view name, const std::string& what);
  void note(const Error& error) {
    if (!problem_) problem_ = error;
  }
  // Errors: what was noted; kUnsupported (a member that was not read, is not null, and is none of `harmless`).
  Result<void> finish(std::span<const std::string_view> harmless);

 private:
  std::string_view name_there(std::string_view name) const;

  const Json* object_;
  std::string file_name_, path_;
  std::span<const std::pair<std::string_view, std::string_view>> names_;
  std::set<std::string, std::less<>> read_;
  std::optional<Error> problem_;
};

}  // namespace mlxr::formats
