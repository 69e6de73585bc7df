#include <CLI/CLI.hpp>

#include "cli/commands/commands.h"
#include "cli/doctor/examine.h"
#include "cli/interrupt.h"

namespace mlxr::cli {

void add_doctor(CLI::App& app, Action& action) {
  struct Options {
    bool installation = false, as_json = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("doctor", "Finds problems and says how to fix them.");
  command->footer("Example: mlx doctor");
  command->add_flag("--install", options->installation, "Check the installation: files, versions, signatures, other copies");
  command->add_flag("--json", options->as_json, "Print JSON");
  command->callback([&action, options] {
    action = [options]() -> Status {
      const Findings findings = options->installation ? examine_installation() : examine_health();
      return interrupted() ? give_up(ExitCode::kInterrupted, "") : report(findings, options->as_json);
    };
  });
}

}  // namespace mlxr::cli
