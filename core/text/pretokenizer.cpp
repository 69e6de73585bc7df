#include "core/text/pretokenizer.h"

#include <algorithm>
#include <utility>

#include "core/text/utf8.h"

namespace mlxr::text {
namespace {

// Collects the words of a step. Matches and what is between them come in order and cover a text without gaps.
class Words {
 public:
  Words(SplitBehavior behavior, std::vector<std::string_view>& out) : behavior_(behavior), out_(out) {}

  void begin_text() { first_ = out_.size(), waiting_ = {}, was_match_ = false; }

  void add(std::string_view piece, bool is_match) {
    if (piece.empty()) return;
    const bool joins = (behavior_ == SplitBehavior::kMergedWithPrevious && is_match && !was_match_) ||
                       (behavior_ == SplitBehavior::kContiguous && is_match == was_match_);
    if (behavior_ == SplitBehavior::kMergedWithNext) {
      add_to_next(piece, is_match);
    } else if (joins && out_.size() > first_) {
      out_.back() = {out_.back().data(), out_.back().size() + piece.size()};
    } else if (!(behavior_ == SplitBehavior::kRemoved && is_match)) {
      out_.push_back(piece);
    }
    was_match_ = is_match;
  }

  void end_text() {
    if (!waiting_.empty()) out_.push_back(waiting_);
  }

 private:
  // A match waits for what comes after it; of several in a row only the last one is joined to it.
  void add_to_next(std::string_view piece, bool is_match) {
    if (is_match) {
      if (!waiting_.empty()) out_.push_back(waiting_);
      waiting_ = piece;
    } else {
      out_.push_back(waiting_.empty() ? piece : std::string_view(waiting_.data(), waiting_.size() + piece.size()));
      waiting_ = {};
    }
  }

  SplitBehavior behavior_;
  std::vector<std::string_view>& out_;
  std::size_t first_ = 0;
  std::string_view waiting_;
  bool was_match_ = false;
};

std::size_t characters_in(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::size_t bytes_of(std::string_view text, std::size_t characters) {
  std::size_t at = 0;
  for (; characters > 0; --characters) at += utf8_step(text.substr(at)).length;
  return at;
}

void cut(const SplitStep& step, std::string_view text, Regex::Search& search, Words& words) {
  words.begin_text();
  std::size_t done = 0;
  for (std::size_t from = 0; from < text.size();) {
    const auto match = step.pattern.find(text, from, search);
    if (!match) break;
    words.add(text.substr(done, match->begin - done), step.invert);
    std::string_view found = text.substr(match->begin, match->end - match->begin);
    for (std::size_t left = step.in_threes ? characters_in(found) : 0; left > 3;) {
      const std::size_t count = left % 3 == 0 ? 3 : left % 3;
      const std::size_t length = bytes_of(found, count);
      words.add(found.substr(0, length), !step.invert);
      found.remove_prefix(length);
      left -= count;
    }
    words.add(found, !step.invert);
    from = done = match->end;
    if (match->end == match->begin && from < text.size()) from += utf8_step(text.substr(from)).length;  // it cuts, and is no word
  }
  words.add(text.substr(done), step.invert);
  words.end_text();
}

}  // namespace

Result<Pretokenizer> Pretokenizer::compile(const std::vector<std::string_view>& patterns, int threes) {
  std::vector<SplitStep> steps;
  for (const auto pattern : patterns) {
    auto regex = Regex::compile(pattern);
    if (!regex) return fail(regex.error());
    steps.push_back({.pattern = *std::move(regex), .in_threes = std::cmp_equal(steps.size(), threes)});
  }
  return Pretokenizer(std::move(steps));
}

std::vector<std::string_view> Pretokenizer::split(std::string_view text) const {
  Regex::Search search;
  std::vector<std::string_view> words{text}, next;
  for (const auto& step : steps_) {
    next.clear();
    next.reserve(words.size() * 2 + text.size() / 8);
    Words collected(step.behavior, next);
    for (const auto word : words) cut(step, word, search, collected);
    words.swap(next);
  }
  return words;
}

}  // namespace mlxr::text
