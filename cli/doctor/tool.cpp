#include "cli/doctor/tool.h"

#include <chrono>
#include <thread>

#include "platform/process.h"

namespace mlxr::cli {

std::optional<ToolAnswer> ask_tool(std::vector<std::string> argv, int seconds) {
  constexpr auto kPollInterval = std::chrono::milliseconds(5);
  auto child = platform::Child::spawn({.argv = std::move(argv), .environment = {{"LC_ALL", "C"}}});
  if (!child) return std::nullopt;
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  std::optional<int> status;
  while (!(status = child->poll())) {
    if (std::chrono::steady_clock::now() > until) return std::nullopt;
    std::this_thread::sleep_for(kPollInterval);
  }
  std::string output = child->output();
  output.erase(output.find_last_not_of(" \n\r\t") + 1);
  return ToolAnswer{*status, std::move(output)};
}

std::string version_of(const std::filesystem::path& program, const std::string& name) {
  const auto answer = ask_tool({program.string(), "--version"});
  if (!answer || answer->status != 0 || !answer->output.starts_with(name + " ") || answer->output.contains('\n')) return "";
  return answer->output.substr(name.size() + 1);
}

}  // namespace mlxr::cli
