// Metadata that own their strings, where no file holds them.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <utility>

#include "core/formats/metadata.h"

namespace mlxr::formats {

class OwnedMetadata {
 public:
  const Metadata& metadata() const { return metadata_; }
  // Adds a value whose strings live as long as this. The first value of a key stays.
  void add(std::string key, Value value) { metadata_.insert(std::move(key), std::move(value)); }
  std::string_view keep(std::string text) { return strings_.emplace_back(std::move(text)); }

 private:
  Metadata metadata_;
  std::deque<std::string> strings_;  // does not move what it holds
};

}  // namespace mlxr::formats
