#include "cli/multiline.h"

#include <utility>

namespace mlxr::cli {
namespace {

constexpr std::string_view kFence = "\"\"\"";

}  // namespace

bool MultilineInput::feed(std::string_view line) {
  if (!inside() && line.starts_with(kFence)) {
    in_block_ = block_seen_ = true;
    line.remove_prefix(kFence.size());
    if (line.empty()) return false;  // the text begins on the next line
  }
  if (in_block_) {
    if (line.ends_with(kFence)) {
      line.remove_suffix(kFence.size());
      in_block_ = false;
      text_ += line;
      if (line.empty() && text_.ends_with('\n')) text_.pop_back();  // the closing fence stood on a line of its own
      return true;
    }
    text_ += line;
    text_ += '\n';
    return false;
  }
  continued_ = line.ends_with('\\');
  if (continued_) line.remove_suffix(1);
  text_ += line;
  if (continued_) text_ += '\n';
  return !continued_;
}

std::string MultilineInput::take() {
  was_block_ = block_seen_;
  std::string text = std::move(text_);
  reset();
  return text;
}

void MultilineInput::reset() {
  text_.clear();
  in_block_ = continued_ = block_seen_ = false;
}

}  // namespace mlxr::cli
