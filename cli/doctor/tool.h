// Programs of others that an examination asks: Apple's, systemd's, dpkg, and other copies of mlx.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace mlxr::cli {

struct ToolAnswer {
  int status = 0;      // 0: all is well, as the tool sees it
  std::string output;  // without the new line at its end
};

// Nothing when the program is not there, or does not end within the time.
std::optional<ToolAnswer> ask_tool(std::vector<std::string> argv, int seconds = 10);

// The version that `PROGRAM --version` says after the program's own name; empty when it says something else.
std::string version_of(const std::filesystem::path& program, const std::string& name);

}  // namespace mlxr::cli
