#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/client.h"
#include "cli/commands/commands.h"
#include "cli/daemon_process.h"
#include "cli/handshake.h"
#include "cli/json_output.h"
#include "cli/terminal.h"
#include "platform/version.h"

namespace mlxr::cli {
namespace {

using nlohmann::json;

Answered<json> daemon_status() {
  const auto paths = client_paths();
  if (!paths) return std::unexpected(ClientError(paths.error()));
  return Client(paths->socket).get("/mlxr/status", std::chrono::seconds(5));
}

// A problem with the daemon is reported but is not a failure: users need the version of mlx even if nothing else works.
Status print_versions(bool as_json) {
  const auto status = daemon_status();
  const std::string daemon = status ? status->value("version", "unknown") : "";
  if (as_json) {
    if (auto printed = print_json({{"version", kVersion}, {"daemon", status ? json(daemon) : json()}}); !printed) return printed;
  } else {
    write_out(std::string("mlx ") + kVersion + "\n");
    if (status) write_out("mlxrunnerd " + daemon + " (running)\n");
    if (!status && status.error().kind == ClientError::Kind::kNotRunning) write_out("mlxrunnerd is not running\n");
  }
  if (!status && status.error().kind != ClientError::Kind::kNotRunning) say(status.error().message + "\n");
  if (const std::string warning = status ? version_warning(*status) : ""; !warning.empty()) say(warning + "\n");
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
