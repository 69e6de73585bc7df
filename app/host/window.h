// The native window, one file per platform: linux/window.cpp and macos/window.mm.
#pragma once

#include <filesystem>

#include "platform/paths.h"

namespace mlxr::app {

struct WindowOptions {
  platform::Paths paths;
  std::filesystem::path page;  // the folder with index.html
  bool check = false;          // no window: print what the page shows when it is ready, as JSON
};

// How long the page may take to become ready.
inline constexpr int kReadySeconds = 30;

// Runs until the window is closed or the check is finished. Returns the program's exit status.
int run_window(const WindowOptions& options);

}  // namespace mlxr::app
