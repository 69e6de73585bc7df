#include "cli/commands/commands.h"

#include <CLI/CLI.hpp>

#include "platform/version.h"

namespace mlxr::cli {

void add_all_commands(CLI::App& app, Action& action) {
  app.name("mlx");
  app.description("Runs language models on this machine.");
  app.footer("Example: mlx run smollm2:135m \"What is a computer?\"\nHelp for a command: mlx help COMMAND. Manual: man mlx");
  app.set_help_flag("-h,--help", "Print this help");
  app.set_version_flag("-v,--version", std::string("mlx ") + kVersion, "Print the version");
  app.require_subcommand(1);
  for (const auto add : {add_run, add_pull, add_list, add_show, add_rm, add_import, add_quantize, add_ps, add_status, add_stop, add_serve,
                         add_logs, add_doctor, add_cache, add_token, add_completion, add_uninstall, add_version}) {
    add(app, action);
  }
}

}  // namespace mlxr::cli
