// Lets launchd run the daemon for the app, through the agent in the bundle (SMAppService).
#pragma once

#include <atomic>

#include "cli/client_error.h"
#include "platform/paths.h"

namespace mlxr::app {

// Starts the daemon now and at each login, and waits until it answers. A sandboxed app has no other way to start it. Outside of a bundle,
// starts it in the same way as `mlx`. Errors: kPermission (the user has to allow it in System Settings, which is opened), kUnavailable
// (with macOS's reason; or the daemon does not answer), kCancelled.
cli::Answered<void> start_by_launchd(const platform::Paths& paths, const std::atomic<bool>& cancelled);

}  // namespace mlxr::app
