// Ctrl-C as a flag. SIGINT ends a program as usual until it calls catch_interrupts().
#pragma once

#include <atomic>

namespace mlxr::cli {

// SIGINT sets the flag and interrupts blocking reads (no SA_RESTART). SIGPIPE is ignored: a closed pipe is a write error.
void catch_interrupts();
std::atomic<bool>& interrupted();

// SIGTERM sets the flag too: for commands that have a half-written file to remove.
void catch_termination();

}  // namespace mlxr::cli
