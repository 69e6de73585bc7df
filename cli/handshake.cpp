#include "cli/handshake.h"

#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

#include "cli/client.h"
#include "cli/daemon_process.h"
#include "cli/terminal.h"
#include "platform/version.h"

namespace mlxr::cli {
namespace {

using nlohmann::json;

std::array<int, 3> numbers_of(std::string_view version) {
  std::array<int, 3> numbers{};
  const char* at = version.data();
  const char* const end = at + version.size();
  for (int& number : numbers) {
    const auto parsed = std::from_chars(at, end, number);
    at = parsed.ptr;
    if (at == end || *at != '.') break;
    ++at;
  }
  return numbers;
}

std::string version_of(const json& status) { return status.value("version", "unknown"); }

}  // namespace

bool is_older(std::string_view a, std::string_view b) { return numbers_of(a) < numbers_of(b); }

bool is_idle(const json& status) {
  const json engine = status.value("engine", json::object());
  if (engine.value("running", 0) > 0 || engine.value("waiting", 0) > 0) return false;
  for (const json& model : status.value("models", json::array()))
    if (model.value("in_use", 0) > 0) return false;
  return true;
}

std::string version_warning(const json& status) {
  const std::string version = version_of(status);
  if (version == kVersion) return "";
  return "mlxrunnerd (pid " + std::to_string(status.value("pid", 0)) + ") is version " + version + ", mlx is version " + kVersion +
         ". Restart it with: mlx stop";
}

Status ensure_current_daemon(const platform::Paths& paths) {
  if (auto ready = ensure_daemon(paths); !ready) return give_up(ready.error());
  const auto status = Client(paths.socket).get("/mlxr/status");
  if (!status) return give_up(status.error());
  const std::string warning = version_warning(*status);
  if (warning.empty()) return {};
  if (!is_older(version_of(*status), kVersion) || !is_idle(*status)) {
    say(warning + "\n");
    return {};
  }
  say("Restarting mlxrunnerd: version " + version_of(*status) + " is older than mlx, " + kVersion + ".\n");
  if (auto stopped = stop_daemon(paths); !stopped) return give_up(stopped.error());
  if (auto ready = ensure_daemon(paths); !ready) return give_up(ready.error());
  return {};
}

}  // namespace mlxr::cli
