// Other programs that `mlx doctor` runs: Apple's tools, systemctl, dpkg, and other copies of mlx.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace mlxr::cli {

struct ToolAnswer {
  int status = 0;      // exit status; 0 is success
  std::string output;  // without the new line at its end
};

// Nothing when the program is missing or does not end in time.
std::optional<ToolAnswer> ask_tool(std::vector<std::string> argv, int seconds = 10);

// The version that `PROGRAM --version` prints after its name; empty when it prints anything else.
std::string version_of(const std::filesystem::path& program, const std::string& name);

}  // namespace mlxr::cli
