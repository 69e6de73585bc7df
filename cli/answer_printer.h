// Prints an answer to stdout: cleaned and wrapped on a terminal, byte for byte otherwise. If the model has to be loaded, stderr says so on
// a terminal until the first text arrives.
#pragma once

#include <string>
#include <string_view>

#include "cli/client.h"
#include "cli/terminal.h"
#include "cli/word_wrap.h"

namespace mlxr::cli {

// Shows "Loading NAME..." on stderr, if that is a terminal and the model is not in memory, until it is erased or destroyed.
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

  // False when the reader of the output has closed it.
  bool print(std::string_view text);
  // Writes the text that the wrapping has held back. True if anything was printed.
  bool finish();

 private:
  LoadingHint hint_;
  TerminalFilter filter_;
  WordWrap wrap_;
  bool on_terminal_ = stdout_is_terminal();
  bool began_ = false;
};

}  // namespace mlxr::cli
