// Characters from the terminal while a line is edited, and signals: stop, continue, resize.
#pragma once

#include <cstdint>

namespace mlxr::cli {

// During its lifetime next() reports SIGTSTP, SIGCONT and SIGWINCH as events. Only one may exist at a time, on the main thread.
class TerminalInput {
 public:
  enum class Event : std::uint8_t {
    kCharacter,
    kEnd,          // end of input, or an error
    kInterrupted,  // Ctrl-C: interrupted() is set
    kStop,         // Ctrl-Z: the caller restores the terminal and calls stop_this_process()
    kContinued,    // the shell has continued this process; the terminal has the shell's modes
    kResized,
  };

  TerminalInput();
  ~TerminalInput();
  TerminalInput(const TerminalInput&) = delete;
  TerminalInput& operator=(const TerminalInput&) = delete;

  // Waits for the next event. `character` is a character of UTF-8 input; an invalid byte becomes U+FFFD.
  Event next(wchar_t& character);

  // Stops this process as Ctrl-Z normally does. Returns when the shell continues it, or at once if no shell could.
  static void stop_this_process();
};

}  // namespace mlxr::cli
