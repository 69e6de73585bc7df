// Characters from the terminal, while a line is edited, and the signals that concern the editing: stopped, continued, resized.
#pragma once

#include <cstdint>

namespace mlxr::cli {

// While it lives, SIGTSTP, SIGCONT and SIGWINCH are events of next(). One at a time, on the main thread.
class TerminalInput {
 public:
  enum class Event : std::uint8_t {
    kCharacter,
    kEnd,          // end of input, or an error
    kInterrupted,  // Ctrl-C: interrupted() is set
    kStop,         // Ctrl-Z: the caller restores the terminal and calls stop_this_process()
    kContinued,    // the shell has brought this process back: the terminal's modes are the shell's
    kResized,
  };

  TerminalInput();
  ~TerminalInput();
  TerminalInput(const TerminalInput&) = delete;
  TerminalInput& operator=(const TerminalInput&) = delete;

  // Waits for the next event. `character` is a character of UTF-8 input; a byte that begins none is U+FFFD.
  Event next(wchar_t& character);

  // What Ctrl-Z does to other programs. Returns when the shell brings this process back, or at once where nobody could.
  static void stop_this_process();
};

}  // namespace mlxr::cli
