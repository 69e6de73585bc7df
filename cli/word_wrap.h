// Breaks text that arrives in pieces into lines between words, for a terminal.
#pragma once

#include <string>
#include <string_view>

namespace mlxr::cli {

// Lines that the text has itself stay, and so do code blocks (between lines that begin with ```) and indentation. A line may break before
// and after a character that is two columns wide, as Chinese, Japanese and Korean are written without spaces.
class WordWrap {
 public:
  // What to write now. The last word is held back until it is known where it ends. `width` is that of the terminal in columns.
  std::string feed(std::string_view piece, int width);
  // What was held back. The next piece begins a new text.
  std::string finish(int width);

 private:
  void take(std::string_view character, int width, std::string& out);
  void place_word(int width, std::string& out);
  bool in_code() const { return in_code_ || line_.starts_with("```"); }

  std::string unfinished_;  // the first bytes of a character
  std::string line_;        // what the text's own line begins with, its indentation left out
  std::string spaces_;      // before word_
  std::string word_;
  int column_ = 0;
  bool is_long_ = false;  // the word that was placed last fills a line, and may go on
  bool in_code_ = false;
};

}  // namespace mlxr::cli
