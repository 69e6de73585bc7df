// Line editing with history on a terminal. In pasted text, line breaks and tabs are text and do not end the line.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

namespace mlxr::cli {

class LineReader {
 public:
  enum class Event { kLine, kInterrupted, kEnd };  // Enter, Ctrl-C, Ctrl-D on an empty line

  // Reads the history from the file, if it is there.
  explicit LineReader(std::filesystem::path history_file);
  ~LineReader();

  // Shows the prompt and reads one line into `line`, without the line break at its end.
  Event read(const std::string& prompt, std::string& line);
  // Adds an input to the history, in memory and in the file.
  void remember(const std::string& input);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mlxr::cli
