#include "core/text/marked_text.h"

#include <algorithm>

namespace mlxr::text {

MarkedText::MarkedText(std::string bytes, Origin origin) : bytes_(std::move(bytes)) { mark(0, bytes_.size(), origin); }

bool MarkedText::has(Origin origin) const {
  return std::ranges::any_of(content_, [&](const Span& span) { return span.origin == origin; });
}

void MarkedText::mark(std::size_t begin, std::size_t end, Origin origin) {
  if (begin == end || origin == Origin::kTemplate) return;
  if (!content_.empty() && content_.back().end == begin && content_.back().origin == origin) {
    content_.back().end = end;
  } else {
    content_.push_back({begin, end, origin});
  }
}

std::size_t MarkedText::first_ending_after(std::size_t at) const {
  const auto found = std::ranges::upper_bound(content_, at, {}, &Span::end);
  return static_cast<std::size_t>(found - content_.begin());
}

void MarkedText::append_part(const MarkedText& other, std::string_view part) {
  const auto from = static_cast<std::size_t>(part.data() - other.bytes_.data()), to = from + part.size(), at = bytes_.size();
  bytes_ += part;
  for (std::size_t i = other.first_ending_after(from); i < other.content_.size() && other.content_[i].begin < to; ++i) {
    const Span& span = other.content_[i];
    mark(at + std::max(span.begin, from) - from, at + std::min(span.end, to) - from, span.origin);
  }
}

MarkedText& MarkedText::operator+=(const MarkedText& other) {
  append_part(other, other.bytes_);
  return *this;
}

MarkedText& MarkedText::operator+=(std::string_view text) {
  bytes_ += text;
  return *this;
}

MarkedText& MarkedText::operator+=(char c) {
  bytes_ += c;
  return *this;
}

void MarkedText::append(std::string_view text, Origin origin) {
  bytes_ += text;
  mark(bytes_.size() - text.size(), bytes_.size(), origin);
}

void MarkedText::truncate(std::size_t size) {
  bytes_.resize(std::min(size, bytes_.size()));
  while (!content_.empty() && content_.back().begin >= bytes_.size()) content_.pop_back();
  if (!content_.empty()) content_.back().end = std::min(content_.back().end, bytes_.size());
}

MarkedText MarkedText::part(std::string_view part) const {
  MarkedText out;
  out.append_part(*this, part);
  return out;
}

Origin MarkedText::origin_at(std::size_t at) const {
  const std::size_t i = first_ending_after(at);
  return i < content_.size() && content_[i].begin <= at ? content_[i].origin : Origin::kTemplate;
}

std::size_t MarkedText::end_of_last(Origin origin) const {
  for (auto span = content_.rbegin(); span != content_.rend(); ++span)
    if (span->origin == origin) return span->end;
  return std::string::npos;
}

}  // namespace mlxr::text
