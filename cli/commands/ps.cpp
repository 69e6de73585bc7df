#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/client.h"
#include "cli/commands/commands.h"
#include "cli/daemon_process.h"
#include "cli/json_output.h"
#include "cli/loaded_models.h"
#include "cli/terminal.h"

namespace mlxr::cli {
namespace {

using nlohmann::json;

// Without a daemon there are no models in memory; it is not started for this.
Outcome<json> loaded_models() {
  auto paths = client_paths();
  if (!paths) return give_up(paths.error());
  auto status = Client(paths->socket).get("/mlxr/status");
  if (!status && status.error().kind == ClientError::Kind::kNotRunning) {
    say("mlxrunnerd is not running.\n");
    return json::array();
  }
  if (!status) return give_up(status.error());
  return status->value("models", json::array());
}

}  // namespace

void add_ps(CLI::App& app, Action& action) {
  auto as_json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("ps", "Lists the models in memory.");
  command->footer("Example: mlx ps");
  command->add_flag("--json", *as_json, "Print JSON");
  command->callback([&action, as_json] {
    action = [as_json]() -> Status {
      auto models = loaded_models();
      if (!models) return give_up(models.error());
      if (*as_json) return print_json({{"models", *models}});
      write_out(describe_loaded_models(*models));
      return {};
    };
  });
}

}  // namespace mlxr::cli
