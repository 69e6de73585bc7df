// Finds stop strings in text that arrives in pieces. How the text is cut into pieces changes nothing: the stop string that begins first
// ends the answer; of several that begin at the same place, the first of the list.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mlxr::decode {

// Each byte costs a few steps per stop string, however long these are. Belongs to one request.
class StopMatcher {
 public:
  // None of `stops` may be empty.
  explicit StopMatcher(std::vector<std::string> stops);

  // Adds text and returns what can be shown now. Text is held back while it may still belong to a stop string. Once the answer is ended,
  // matched() is set, and the result is the rest of the text before the stop string.
  std::string feed(std::string_view text);
  // Says that no more text comes. Returns what was held back, up to a stop string if one is in it; then matched() is set.
  std::string finish();

  const std::optional<std::string>& matched() const { return matched_; }

 private:
  // One stop string, and how much of it the text so far ends with.
  struct Pattern {
    std::string text;
    std::vector<std::uint32_t> borders;  // [i]: length of the longest proper beginning of text[0..i] that also ends it
    std::size_t ends_with = 0;
  };
  struct Match {
    std::size_t begin;  // of all the text
    std::size_t stop;   // index into patterns_
  };

  void look_at(char c);
  bool can_be_beaten() const;  // whether text to come can make a stop string that goes before best_
  std::string end();           // with best_

  std::vector<Pattern> patterns_;
  std::string held_;
  std::size_t seen_ = 0;  // bytes of all the text
  std::optional<Match> best_;
  std::optional<std::string> matched_;
};

}  // namespace mlxr::decode
