#include "cli/word_wrap.h"

#include <utility>

#include "cli/terminal.h"

namespace mlxr::cli {
namespace {

constexpr std::size_t kFence = 3;  // characters of ```
constexpr int kTabStop = 8;

std::size_t length_of(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

}  // namespace

std::string WordWrap::feed(std::string_view piece, int width) {
  std::string out;
  std::string text = std::exchange(unfinished_, "");
  text += piece;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = length_of(text[at]);
    if (at + length > text.size()) {
      unfinished_ = text.substr(at);
      break;
    }
    take(std::string_view(text).substr(at, length), width, out);
    at += length;
  }
  return out;
}

std::string WordWrap::finish(int width) {
  std::string out;
  place_word(width, out);
  out += unfinished_;
  *this = WordWrap();
  return out;
}

void WordWrap::take(std::string_view character, int width, std::string& out) {
  if (character == "\n") {
    place_word(width, out);
    if (line_.starts_with("```")) in_code_ = !in_code_;
    line_.clear();
    spaces_.clear();
    column_ = 0;
    is_long_ = false;
    out += '\n';
    return;
  }
  const bool is_space = character == " ";
  if (line_.size() < kFence && (!is_space || !line_.empty())) line_ += character;
  if (in_code()) {
    place_word(width, out);
    out += character;
    return;
  }
  if (is_space) {
    place_word(width, out);
    spaces_ += ' ';
    return;
  }
  if (character == "\t") {
    place_word(width, out);
    out += spaces_ + '\t';
    column_ = (column_ + static_cast<int>(std::exchange(spaces_, "").size())) / kTabStop * kTabStop + kTabStop;
    return;
  }
  const bool is_wide = display_width(character) > 1;
  if (is_wide) place_word(width, out);
  word_ += character;
  if (is_wide || display_width(word_) >= width) place_word(width, out);
}

void WordWrap::place_word(int width, std::string& out) {
  if (word_.empty()) {
    if (in_code()) out += std::exchange(spaces_, "");
    return;
  }
  const int columns = display_width(word_);
  const int gap = static_cast<int>(spaces_.size());
  // What was placed up to the last column goes on without a break: a terminal wraps a word that is longer than a line, an address for
  // example, and can still copy it whole.
  if (column_ > 0 && column_ + gap + columns > width && !(is_long_ && gap == 0)) {
    out += '\n';
    column_ = 0;
  } else {
    out += spaces_;
    column_ += gap;
  }
  spaces_.clear();
  column_ += columns;
  is_long_ = columns >= width || (is_long_ && gap == 0);
  out += std::exchange(word_, "");
}

}  // namespace mlxr::cli
