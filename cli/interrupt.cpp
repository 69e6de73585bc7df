#include "cli/interrupt.h"

#include <csignal>

namespace mlxr::cli {
namespace {

std::atomic<bool> flag{false};
static_assert(std::atomic<bool>::is_always_lock_free, "the signal handler stores to it");

void on_interrupt(int) { flag.store(true, std::memory_order_relaxed); }

}  // namespace

void catch_interrupts() {
  struct sigaction action{};
  action.sa_handler = on_interrupt;
  sigaction(SIGINT, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

std::atomic<bool>& interrupted() { return flag; }

}  // namespace mlxr::cli
