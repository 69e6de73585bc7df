#include "cli/interrupt.h"

#include <csignal>

namespace mlxr::cli {
namespace {

std::atomic<bool> flag{false};
static_assert(std::atomic<bool>::is_always_lock_free, "the signal handler stores to it");

void on_interrupt(int) { flag.store(true, std::memory_order_relaxed); }

void catch_signal(int number) {
  struct sigaction action{};
  action.sa_handler = on_interrupt;
  sigaction(number, &action, nullptr);
}

}  // namespace

void catch_interrupts() {
  catch_signal(SIGINT);
  std::signal(SIGPIPE, SIG_IGN);
}

void catch_termination() { catch_signal(SIGTERM); }

std::atomic<bool>& interrupted() { return flag; }

}  // namespace mlxr::cli
