// Breaks text that arrives in pieces into lines between words, for a terminal.
#pragma once

#include <string>
#include <string_view>

namespace mlxr::cli {

// The text's own line breaks, code blocks (between lines that begin with ```) and indentation are kept. A line may break before and after a
// character that is two columns wide, because Chinese, Japanese and Korean are written without spaces.
class WordWrap {
 public:
  // Returns the text to write now. The last word is held back until its end is known. `width` is the terminal's, in columns.
  std::string feed(std::string_view piece, int width);
  // Returns the text that was held back. The next piece begins a new text.
  std::string finish(int width);

 private:
  void take(std::string_view character, int width, std::string& out);
  void place_word(int width, std::string& out);
  bool in_code() const { return in_code_ || line_.starts_with("```"); }

  std::string unfinished_;  // the first bytes of a character
  std::string line_;        // the beginning of the text's own line, without its indentation
  std::string spaces_;      // before word_
  std::string word_;
  int column_ = 0;
  bool is_long_ = false;  // the word placed last fills a line, and may continue
  bool in_code_ = false;
};

}  // namespace mlxr::cli
