// An answer on its way to stdout: cleaned and wrapped on a terminal, byte for byte elsewhere. Until the first text arrives, a terminal's
// stderr says that the model is being loaded, if it is.
#pragma once

#include <string>
#include <string_view>

#include "cli/client.h"
#include "cli/terminal.h"
#include "cli/word_wrap.h"

namespace mlxr::cli {

// "Loading NAME..." on a terminal's stderr while it lives, if the model is not in memory.
class LoadingHint {
 public:
  LoadingHint(const std::string& model, Client& client);
  ~LoadingHint() { erase(); }
  LoadingHint(const LoadingHint&) = delete;
  LoadingHint& operator=(const LoadingHint&) = delete;

  void erase();

 private:
  bool shown_ = false;
};

class AnswerPrinter {
 public:
  AnswerPrinter(const std::string& model, Client& client) : hint_(model, client) {}

  // False when nobody reads the output any more.
  bool print(std::string_view text);
  // Writes what the wrapping holds back. True when anything was printed.
  bool finish();

 private:
  LoadingHint hint_;
  TerminalFilter filter_;
  WordWrap wrap_;
  bool on_terminal_ = stdout_is_terminal();
  bool began_ = false;
};

}  // namespace mlxr::cli
