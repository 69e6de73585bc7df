// Line editing with history on a terminal.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

namespace mlxr::cli {

class LineReader {
 public:
  enum class Event { kLine, kInterrupted, kEnd };  // Enter, Ctrl-C, Ctrl-D on an empty line

  // Reads the history from the file, if it is there, and writes it back at the end (readable by its owner only).
  explicit LineReader(std::filesystem::path history_file);
  ~LineReader();

  // Shows the prompt and reads one line into `line`, without its new line.
  Event read(const std::string& prompt, std::string& line);
  // Adds to the history what the arrow keys bring back.
  void remember(const std::string& input);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mlxr::cli
