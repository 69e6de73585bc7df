// launchd runs the daemon for the app: the agent whose property list lies in the bundle (SMAppService).
#pragma once

#include <atomic>

#include "cli/client_error.h"
#include "platform/paths.h"

namespace mlxr::app {

// Starts the daemon now and at each login, and waits until it answers. A sandboxed app can start it in no other way. Outside of a bundle it
// is started as `mlx` does. Errors: kPermission (the user has to allow it in System Settings, which is opened there), kUnavailable
// (what macOS says; or it does not answer), kCancelled.
cli::Answered<void> start_by_launchd(const platform::Paths& paths, const std::atomic<bool>& cancelled);

}  // namespace mlxr::app
