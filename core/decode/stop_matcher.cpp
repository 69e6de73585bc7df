#include "core/decode/stop_matcher.h"

#include <algorithm>
#include <utility>

namespace mlxr::decode {

StopMatcher::StopMatcher(std::vector<std::string> stops) {
  for (std::string& stop : stops) {
    std::vector<std::uint32_t> borders(stop.size());
    for (std::size_t i = 1, n = 0; i < stop.size(); ++i) {
      while (n > 0 && stop[i] != stop[n]) n = borders[n - 1];
      n += stop[i] == stop[n];
      borders[i] = static_cast<std::uint32_t>(n);
    }
    patterns_.push_back({std::move(stop), std::move(borders)});
  }
}

void StopMatcher::look_at(char c) {
  ++seen_;
  for (std::size_t i = 0; i < patterns_.size(); ++i) {
    auto& [text, borders, n] = patterns_[i];
    while (n > 0 && text[n] != c) n = borders[n - 1];
    n += text[n] == c;
    if (n < text.size()) continue;
    const Match match{seen_ - n, i};
    if (!best_ || match.begin < best_->begin || (match.begin == best_->begin && i < best_->stop)) best_ = match;
    n = borders[n - 1];
  }
}

bool StopMatcher::can_be_beaten() const {
  for (std::size_t i = 0; i < patterns_.size(); ++i) {
    const std::size_t n = patterns_[i].ends_with;
    if (n > 0 && (seen_ - n < best_->begin || (seen_ - n == best_->begin && i < best_->stop))) return true;
  }
  return false;
}

std::string StopMatcher::end() {
  matched_ = patterns_[best_->stop].text;
  const std::size_t held_from = seen_ - held_.size();
  std::string shown = held_.substr(0, best_->begin - held_from);
  held_.clear();
  return shown;
}

std::string StopMatcher::feed(std::string_view text) {
  held_ += text;
  for (const char c : text) look_at(c);
  if (best_ && !can_be_beaten()) return end();
  std::size_t keep = best_ ? seen_ - best_->begin : 0;
  for (const Pattern& pattern : patterns_) keep = std::max(keep, pattern.ends_with);
  std::string shown = held_.substr(0, held_.size() - keep);
  held_.erase(0, shown.size());
  return shown;
}

std::string StopMatcher::finish() {
  if (best_ && !matched_) return end();
  return std::exchange(held_, {});
}

}  // namespace mlxr::decode
