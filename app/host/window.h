// The native window, one file per platform: linux/window.cpp and macos/window.mm.
#pragma once

#include <filesystem>

#include "platform/paths.h"

namespace mlxr::app {

struct WindowOptions {
  platform::Paths paths;
  std::filesystem::path page;  // the folder with index.html
  bool check = false;          // no window: print what the page says when it is ready, as JSON
};

// How long the page may take before its first state is there.
inline constexpr int kReadySeconds = 30;

// Until the window is closed, or the check is over. Returns the program's exit status.
int run_window(const WindowOptions& options);

}  // namespace mlxr::app
