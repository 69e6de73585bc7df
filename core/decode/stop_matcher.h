// Finds stop strings in text that arrives in pieces. Text that could be the beginning of one is held back.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mlxr::decode {

class StopMatcher {
 public:
  explicit StopMatcher(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  // Adds text; returns what can be shown now. After a match: the text before the stop string, and matched() is set.
  std::string feed(std::string_view text);
  // The text that was held back, at the end of an answer that no stop string ended.
  std::string finish();

  const std::optional<std::string>& matched() const { return matched_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  std::optional<std::string> matched_;
};

}  // namespace mlxr::decode
