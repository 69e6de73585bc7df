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

// Each byte takes a few steps per stop string, however long the string is. Belongs to one request.
class StopMatcher {
 public:
  // None of `stops` may be empty.
  explicit StopMatcher(std::vector<std::string> stops);

  // Adds text and returns what can be shown now. Text is held back while it may still belong to a stop string. When a stop string has
  // ended the answer, matched() is set, and the result is the rest of the text before it.
  std::string feed(std::string_view text);
  // Call it after the last text. Returns the text that was held back, up to a stop string if it contains one; then matched() is set.
  std::string finish();

  const std::optional<std::string>& matched() const { return matched_; }

 private:
  // One stop string, and the length of its longest beginning with which the text so far ends.
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
  bool can_be_beaten() const;  // whether further text can complete a stop string that takes precedence over best_
  std::string end();           // with best_

  std::vector<Pattern> patterns_;
  std::string held_;
  std::size_t seen_ = 0;  // bytes of all the text
  std::optional<Match> best_;
  std::optional<std::string> matched_;
};

}  // namespace mlxr::decode
