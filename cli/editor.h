// The user's own editor, for long input.
#pragma once

#include <string>

#include <mlxrunner/result.h>

namespace mlxr::cli {

// Opens $VISUAL, else $EDITOR, else vi on a private temporary file that holds `text`, and returns what was saved, without the line breaks
// at its end. Errors: kNotFound (no such editor), kIo (it failed, or the file cannot be written or read).
Result<std::string> edit_text(const std::string& text);

}  // namespace mlxr::cli
