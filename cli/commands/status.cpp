#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/client.h"
#include "cli/commands/commands.h"
#include "cli/daemon_log.h"
#include "cli/daemon_process.h"
#include "cli/format.h"
#include "cli/handshake.h"
#include "cli/json_output.h"
#include "cli/loaded_models.h"
#include "cli/terminal.h"
#include "platform/version.h"

namespace mlxr::cli {
namespace {

using nlohmann::json;

std::string line(std::string label, const std::string& value) {
  label.resize(9, ' ');
  return "  " + styled(Style::kDim, label) + value + "\n";
}

std::string kernels_of(const json& status) {
  const json kernels = status.value("kernels", json::object());
  const int threads = kernels.value("threads", 0);
  return kernels.value("variant", "unknown") + ", " + std::to_string(threads) + (threads == 1 ? " thread" : " threads");
}

Status show_running(const json& status, const platform::Paths& paths) {
  std::string out = "mlxrunnerd " + status.value("version", "unknown") + " is running (pid " + std::to_string(status.value("pid", 0)) +
                    ", up " + format_duration(status.value("uptime_s", 0.0)) + ").\n";
  out += line("socket", paths.socket.string());
  if (const json port = status.value("port", json()); port.is_number()) out += line("TCP port", port.dump());
  out += line("log", daemon_log(paths).string()) + line("kernels", kernels_of(status)) + "\n";
  write_out(out + describe_loaded_models(status.value("models", json::array())));
  if (const std::string warning = version_warning(status); !warning.empty()) say("\n" + warning + "\n");
  return {};
}

Status show_status(bool as_json) {
  const auto paths = client_paths();
  if (!paths) return give_up(paths.error());
  const auto status = Client(paths->socket).get("/mlxr/status");
  const bool runs = status.has_value();
  if (!runs && status.error().kind != ClientError::Kind::kNotRunning) return give_up(status.error());
  if (as_json) {
    return print_json({{"running", runs},
                       {"mlx_version", kVersion},
                       {"socket", paths->socket.string()},
                       {"log", daemon_log(*paths).string()},
                       {"daemon", runs ? *status : json()}});
  }
  if (runs) return show_running(*status, *paths);
  write_out("mlxrunnerd is not running. It starts when it is needed, or with: mlx serve\n" + line("socket", paths->socket.string()) +
            line("log", daemon_log(*paths).string()));
  return {};
}

}  // namespace

void add_status(CLI::App& app, Action& action) {
  auto as_json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("status", "Shows the daemon, its socket, and the models in memory.");
  command->footer("Example: mlx status");
  command->add_flag("--json", *as_json, "Print JSON");
  command->callback([&action, as_json] { action = [as_json] { return show_status(*as_json); }; });
}

}  // namespace mlxr::cli
