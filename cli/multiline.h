// Input of several lines in a chat: between """ and """, or with a backslash at the end of each line but the last.
#pragma once

#include <string>
#include <string_view>

namespace mlxr::cli {

class MultilineInput {
 public:
  // Takes the next line, without its new line. True when the input is complete.
  bool feed(std::string_view line);
  bool inside() const { return in_block_ || continued_; }  // more is to come
  // The complete input; begins anew.
  std::string take();
  bool was_block() const { return was_block_; }  // the input taken last was between """: it is text, never a command
  void reset();

 private:
  std::string text_;
  bool in_block_ = false;
  bool continued_ = false;
  bool block_seen_ = false;
  bool was_block_ = false;
};

}  // namespace mlxr::cli
