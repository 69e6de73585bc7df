// Ctrl-C as a flag. SIGINT ends a program as usual until it calls catch_interrupts().
#pragma once

#include <atomic>

namespace mlxr::cli {

// SIGINT sets the flag and interrupts blocking reads (no SA_RESTART). SIGPIPE is ignored: a closed pipe is a write error.
void catch_interrupts();
std::atomic<bool>& interrupted();

// Makes SIGTERM set the flag too, for commands that have to remove an incomplete file.
void catch_termination();

}  // namespace mlxr::cli
