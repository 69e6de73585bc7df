#include <CLI/CLI.hpp>

#include "cli/commands/commands.h"
#include "cli/doctor/examine.h"

namespace mlxr::cli {

void add_doctor(CLI::App& app, Action& action) {
  struct Options {
    bool installation = false, as_json = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("doctor", "Examines MLXR and says what to do about what is wrong.");
  command->add_flag("--install", options->installation, "Examine what was installed, not what it needs to work");
  command->add_flag("--json", options->as_json, "As JSON");
  command->callback([&action, options] {
    action = [options] { return report(options->installation ? examine_installation() : examine_health(), options->as_json); };
  });
}

}  // namespace mlxr::cli
