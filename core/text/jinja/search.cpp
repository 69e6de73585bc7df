#include "core/text/jinja/search.h"

#include <algorithm>
#include <ranges>

#include "core/text/jinja/budget.h"

namespace mlxr::text::jinja {
namespace {

constexpr std::size_t kShort = 16;  // up to here the standard library's search costs no more than 16 times the text

// borders[i]: the length of the longest proper beginning of needle[0..i] that also ends it.
template <typename Range>
std::vector<std::uint32_t> borders_of(const Range& needle) {
  touch(needle.size());
  ensure_room(needle.size() * sizeof(std::uint32_t));
  std::vector<std::uint32_t> borders(needle.size());
  std::uint32_t matched = 0;
  for (std::size_t i = 1; i < needle.size(); ++i) {
    while (matched > 0 && needle[i] != needle[matched]) matched = borders[matched - 1];
    if (needle[i] == needle[matched]) ++matched;
    borders[i] = matched;
  }
  return borders;
}

template <typename Range>
std::size_t search(const Range& text, std::size_t from, const Range& needle, const std::vector<std::uint32_t>& borders) {
  std::size_t matched = 0, i = from;
  for (; i < text.size() && matched < needle.size(); ++i) {
    while (matched > 0 && text[i] != needle[matched]) matched = borders[matched - 1];
    if (text[i] == needle[matched]) ++matched;
  }
  touch(i - from);
  return matched == needle.size() ? i - needle.size() : std::string_view::npos;
}

}  // namespace

Searcher::Searcher(std::string_view needle) : needle_(needle) {
  if (needle_.size() > kShort) borders_ = borders_of(needle_);
}

std::size_t Searcher::first_in(std::string_view text, std::size_t from) const {
  if (!borders_.empty()) return search(text, std::min(from, text.size()), needle_, borders_);
  const std::size_t at = text.find(needle_, from);
  touch(std::min(at, text.size()) - std::min(from, text.size()));
  return at;
}

std::size_t Searcher::last_in(std::string_view text) const {
  if (borders_.empty()) {
    const std::size_t at = text.rfind(needle_);
    touch(text.size() - std::min(at, text.size()));
    return at;
  }
  const auto backwards = std::views::reverse(needle_);
  const std::size_t at = search(std::views::reverse(text), 0, backwards, borders_of(backwards));
  return at == std::string_view::npos ? at : text.size() - at - needle_.size();
}

}  // namespace mlxr::text::jinja
