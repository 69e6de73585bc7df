#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/client.h"
#include "cli/commands/commands.h"
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
  auto paths = platform::Paths::from_environment();
  if (!paths) return give_up(paths.error());
  auto answer = Client(paths->socket).get("/api/ps");
  if (!answer && answer.error().exit_code == ExitCode::kDaemonUnavailable) {
    std::fputs("mlxrunnerd is not running.\n", stderr);
    return json{{"models", json::array()}};
  }
  return answer;
}

}  // namespace

void add_ps(CLI::App& app, Action& action) {
  auto as_json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("ps", "Lists the models in memory.");
  command->add_flag("--json", *as_json, "As JSON");
  command->callback([&action, as_json] {
    action = [as_json]() -> Status {
      auto answer = loaded_models();
      if (!answer) return give_up(answer.error());
      if (*as_json) return print_json(*answer);
      const json models = answer->value("models", json::array());
      if (models.empty()) {
        write_out("No model is in memory.\n");
        return {};
      }
      Table table({{"NAME"}, {"MEMORY", Align::kRight}, {"CONTEXT", Align::kRight}, {"UNTIL"}});
      for (const json& model : models) {
        table.add_row({model.value("name", ""), format_bytes(model.value("size", std::uint64_t{0})),
                       std::to_string(model.value("context_length", std::uint64_t{0})), format_day(model.value("expires_at", ""))});
      }
      write_out(table.to_string());
      return {};
    };
  });
}

}  // namespace mlxr::cli
