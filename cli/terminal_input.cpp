#include "cli/terminal_input.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

#include "cli/interrupt.h"

namespace mlxr::cli {
namespace {

constexpr std::array kSignals{SIGTSTP, SIGCONT, SIGWINCH};
constexpr int kLongestWait = 500;  // milliseconds: SIGINT may arrive just before poll() waits

std::array<int, 2> signal_pipe{-1, -1};
std::array<struct sigaction, kSignals.size()> previous_actions{};

// A signal handler may do little: it writes the signal's number to a pipe, which next() waits for.
void on_signal(int number) {
  const int error = errno;
  const auto byte = static_cast<char>(number);
  [[maybe_unused]] const ssize_t written = ::write(signal_pipe[1], &byte, 1);
  errno = error;
}

struct sigaction action_of(void (*handler)(int)) {
  struct sigaction action{};
  action.sa_handler = handler;
  return action;
}

int next_signal() {
  char number = 0;
  return ::read(signal_pipe[0], &number, 1) == 1 ? number : 0;
}

wchar_t read_character() {
  unsigned char byte = 0;
  if (::read(STDIN_FILENO, &byte, 1) != 1) return 0;
  if (byte < 0x80) return static_cast<wchar_t>(byte);
  const int more = byte >= 0xF0 ? 3 : byte >= 0xE0 ? 2 : byte >= 0xC0 ? 1 : 0;
  if (more == 0) return L'\xFFFD';
  auto character = static_cast<wchar_t>(byte & (0x3F >> more));
  for (int i = 0; i < more; ++i) {
    if (::read(STDIN_FILENO, &byte, 1) != 1 || (byte & 0xC0) != 0x80) return L'\xFFFD';
    character = static_cast<wchar_t>((character << 6) | (byte & 0x3F));
  }
  return character;
}

}  // namespace

TerminalInput::TerminalInput() {
  if (::pipe(signal_pipe.data()) != 0) signal_pipe = {-1, -1};
  for (const int end : signal_pipe) {
    ::fcntl(end, F_SETFD, FD_CLOEXEC);
    ::fcntl(end, F_SETFL, O_NONBLOCK);
  }
  const struct sigaction action = action_of(on_signal);
  for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals.at(i), &action, &previous_actions.at(i));
}

TerminalInput::~TerminalInput() {
  for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals.at(i), &previous_actions.at(i), nullptr);
  for (const int end : std::exchange(signal_pipe, {-1, -1})) ::close(end);
}

TerminalInput::Event TerminalInput::next(wchar_t& character) {
  while (true) {
    if (interrupted()) return Event::kInterrupted;
    switch (next_signal()) {
      case SIGTSTP: return Event::kStop;
      case SIGCONT: return Event::kContinued;
      case SIGWINCH: return Event::kResized;
      default: break;
    }
    std::array<pollfd, 2> waiting{pollfd{STDIN_FILENO, POLLIN, 0}, pollfd{signal_pipe[0], POLLIN, 0}};
    if (::poll(waiting.data(), waiting.size(), kLongestWait) <= 0 || waiting[0].revents == 0) continue;
    character = read_character();
    if (character != 0) return Event::kCharacter;
    if (errno != EINTR) return Event::kEnd;
  }
}

void TerminalInput::stop_this_process() {
  const struct sigaction usual = action_of(SIG_DFL);
  struct sigaction ours{};
  sigaction(SIGTSTP, &usual, &ours);
  ::raise(SIGTSTP);
  sigaction(SIGTSTP, &ours, nullptr);
}

}  // namespace mlxr::cli
