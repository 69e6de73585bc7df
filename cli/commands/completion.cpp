#include "cli/completion.h"

#include <CLI/CLI.hpp>

#include "cli/commands/commands.h"
#include "cli/terminal.h"

namespace mlxr::cli {

void add_completion(CLI::App& app, Action& action) {
  auto shell = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("completion", "Prints the completion script for bash, zsh or fish.");
  command->footer("Example: source <(mlx completion bash)");
  command->add_option("SHELL", *shell, "bash, zsh or fish")->required()->type_name(kCompletesShell);
  command->callback([&app, &action, shell] {
    action = [&app, shell]() -> Status {
      auto script = completion_script(app, *shell);
      if (!script) return give_up(script.error());
      write_out_raw(*script);
      return {};
    };
  });
}

}  // namespace mlxr::cli
