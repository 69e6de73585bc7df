#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/client.h"
#include "cli/commands/commands.h"
#include "cli/daemon_process.h"
#include "cli/format.h"
#include "cli/model_json.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "platform/paths.h"

namespace mlxr::cli {
namespace {

using nlohmann::json;

// Without a daemon nothing is loaded; none is started to say so.
Outcome<json> loaded_models() {
  auto paths = client_paths();
  if (!paths) return give_up(paths.error());
  auto status = Client(paths->socket).get("/mlxr/status");
  if (!status && status.error().exit_code == ExitCode::kDaemonUnavailable) {
    std::fputs("mlxrunnerd is not running.\n", stderr);
    return json::array();
  }
  if (!status) return give_up(status.error());
  return status->value("models", json::array());
}

std::string when_unloaded(const json& model) {
  if (model.value("in_use", 0) > 0) return "in use";
  const json left = model.value("unloads_in_s", json());
  return left.is_number() ? "in " + format_duration(std::max(0.0, left.get<double>())) : "never";
}

}  // namespace

void add_ps(CLI::App& app, Action& action) {
  auto as_json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("ps", "Lists the models in memory.");
  command->add_flag("--json", *as_json, "As JSON");
  command->callback([&action, as_json] {
    action = [as_json]() -> Status {
      auto models = loaded_models();
      if (!models) return give_up(models.error());
      if (*as_json) return print_json({{"models", *models}});
      if (models->empty()) {
        write_out("No model is in memory.\n");
        return {};
      }
      // The cache takes memory as it fills: its size would claim too much, and only its limit is known here.
      Table table({{"NAME"}, {"WEIGHTS", Align::kRight}, {"CACHE", Align::kRight}, {"CONTEXT", Align::kRight}, {"UNLOADS"}});
      for (const json& model : *models) {
        table.add_row({model.value("name", ""), format_bytes(model.value("weights", std::uint64_t{0})),
                       "up to " + format_bytes(model.value("cache_limit", std::uint64_t{0})),
                       std::to_string(model.value("context_length", 0)), when_unloaded(model)});
      }
      write_out(table.to_string());
      return {};
    };
  });
}

}  // namespace mlxr::cli
