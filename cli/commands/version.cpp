#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/client.h"
#include "cli/commands/commands.h"
#include "cli/daemon_process.h"
#include "cli/handshake.h"
#include "cli/model_json.h"
#include "cli/terminal.h"
#include "platform/version.h"

namespace mlxr::cli {
namespace {

using nlohmann::json;

// The status of the daemon, or null where none runs or answers: a version is also printed where nothing else works.
json running_daemon() {
  const auto paths = client_paths();
  if (!paths) return {};
  const auto status = Client(paths->socket).get("/mlxr/status", std::chrono::seconds(5));
  return status ? *status : json();
}

Status print_versions(bool as_json) {
  const json status = running_daemon();
  const json daemon = status.is_object() ? status.value("version", json()) : json();
  if (as_json) return print_json({{"version", kVersion}, {"daemon", daemon}});
  write_out(std::string("mlx ") + kVersion + "\n" +
            (daemon.is_string() ? "mlxrunnerd " + daemon.get<std::string>() + " (running)\n" : "mlxrunnerd is not running\n"));
  if (const std::string warning = status.is_object() ? version_warning(status) : ""; !warning.empty()) write_error(warning + "\n");
  return {};
}

}  // namespace

void add_version(CLI::App& app, Action& action) {
  auto json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("version", "Prints the versions of mlx and of the running daemon.");
  command->footer("Example: mlx version");
  command->add_flag("--json", *json, "Print JSON");
  command->callback([&action, json] { action = [json] { return print_versions(*json); }; });
}

}  // namespace mlxr::cli
