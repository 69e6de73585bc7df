// Ctrl-C as a flag. Until install() is called, and in programs that never call it, SIGINT ends the program as usual.
#pragma once

#include <atomic>

namespace mlxr::cli {

// SIGINT sets the flag and interrupts blocking reads (no SA_RESTART). SIGPIPE is ignored: a closed pipe is a write error.
void catch_interrupts();
std::atomic<bool>& interrupted();

// SIGTERM sets the flag too: for commands that have a half-written file to remove.
void catch_termination();

}  // namespace mlxr::cli
