// Text that remembers where each of its bytes came from. A chat template mixes its own text with that of a conversation, and control
// tokens are recognised only in its own; so the origin of every byte is passed from the template engine to the tokenizer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mlxr::text {

enum class Origin : std::uint8_t {
  kTemplate,  // the model file's own text, and text that the engine adds
  kContent,   // the conversation: messages, tools, documents
  kQuestion,  // the content of the last user message
  kFinal,     // the content of the last message, when the answer continues it
};

// Bytes [begin, end) of a text, of one origin.
struct Span {
  std::size_t begin, end;
  Origin origin;
  bool operator==(const Span&) const = default;
};

// A value type: a string and the spans of it that the template did not write.
class MarkedText {
 public:
  MarkedText() = default;
  explicit MarkedText(std::string bytes, Origin origin = Origin::kTemplate);

  const std::string& bytes() const { return bytes_; }
  std::size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  // The spans whose origin is not kTemplate: ordered, disjoint, none empty.
  std::span<const Span> content() const { return content_; }
  bool has(Origin origin) const;

  MarkedText& operator+=(const MarkedText& other);
  MarkedText& operator+=(std::string_view text);  // the template's
  MarkedText& operator+=(char c);
  void append(std::string_view text, Origin origin);
  void append_part(const MarkedText& other, std::string_view part);  // += other.part(part)
  void reserve(std::size_t bytes) { bytes_.reserve(bytes); }
  void truncate(std::size_t size);

  // A copy of a part with its origins. `part` must be a view into bytes().
  MarkedText part(std::string_view part) const;
  // The origin of the byte at `at`, which must be less than size().
  Origin origin_at(std::size_t at) const;
  // Where the last span of this origin ends; npos when there is none.
  std::size_t end_of_last(Origin origin) const;

 private:
  void mark(std::size_t begin, std::size_t end, Origin origin);
  std::size_t first_ending_after(std::size_t at) const;  // index into content_

  std::string bytes_;
  std::vector<Span> content_;
};

}  // namespace mlxr::text
