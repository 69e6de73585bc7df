#include "platform/mapping_guard.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>

#include <sys/mman.h>
#include <unistd.h>

namespace mlxr::platform {
namespace {

// Read by the signal handler: no locks, and no memory that is freed.
struct Slot {
  std::atomic<bool> taken = false;
  std::atomic<std::uintptr_t> begin = 0, end = 0;
  std::atomic<bool> lost = false;

  bool holds(std::uintptr_t address) const { return begin <= address && address < end; }
};
static_assert(std::atomic<std::uintptr_t>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

std::array<Slot, 64> g_slots;
struct sigaction g_previous;
std::uintptr_t g_page_bytes = 4096;

// Several threads may handle the same page: mapping zeros twice is harmless.
bool put_zeros(std::uintptr_t address) {
  for (Slot& slot : g_slots) {
    if (!slot.holds(address)) continue;
    slot.lost = true;
    void* const page = reinterpret_cast<void*>(address / g_page_bytes * g_page_bytes);
    return ::mmap(page, g_page_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
  }
  return false;
}

void on_sigbus(int number, siginfo_t* info, void* context) {
  const int saved = errno;
  const bool done = put_zeros(reinterpret_cast<std::uintptr_t>(info->si_addr));
  errno = saved;
  if (done) return;
  if ((g_previous.sa_flags & SA_SIGINFO) != 0) {
    g_previous.sa_sigaction(number, info, context);
  } else if (g_previous.sa_handler == SIG_DFL || g_previous.sa_handler == SIG_IGN) {
    ::sigaction(SIGBUS, &g_previous, nullptr);  // the access is tried again, and ends the process
  } else {
    g_previous.sa_handler(number);
  }
}

bool install() {
  g_page_bytes = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  struct sigaction action{};
  action.sa_sigaction = on_sigbus;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  return ::sigaction(SIGBUS, &action, &g_previous) == 0;
}

}  // namespace

MappingGuard::MappingGuard(const void* start, std::size_t bytes) {
  static const bool installed = install();
  if (!installed) return;
  for (std::size_t i = 0; i < g_slots.size(); ++i) {
    Slot& slot = g_slots[i];
    if (slot.taken.exchange(true)) continue;
    slot.lost = false;
    slot.begin = reinterpret_cast<std::uintptr_t>(start);
    slot.end = slot.begin + bytes;
    slot_ = static_cast<int>(i);
    return;
  }
}

MappingGuard::~MappingGuard() {
  if (slot_ < 0) return;
  Slot& slot = g_slots[static_cast<std::size_t>(slot_)];
  slot.end = 0;
  slot.begin = 0;
  slot.taken = false;
}

bool mapping_is_intact(const void* address) {
  for (const Slot& slot : g_slots) {
    if (slot.holds(reinterpret_cast<std::uintptr_t>(address))) return !slot.lost;
  }
  return true;
}

}  // namespace mlxr::platform
