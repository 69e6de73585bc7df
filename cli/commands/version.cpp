#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/model_json.h"
#include "cli/terminal.h"
#include "platform/version.h"

namespace mlxr::cli {

void add_version(CLI::App& app, Action& action) {
  auto json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("version", "Shows the version.");
  command->add_flag("--json", *json, "As JSON");
  command->callback([&action, json] {
    action = [json]() -> Status {
      if (*json) return print_json({{"version", kVersion}});
      write_out(std::string("mlx ") + kVersion + "\n");
      return {};
    };
  });
}

}  // namespace mlxr::cli
