#include <CLI/CLI.hpp>

#include "cli/commands/commands.h"
#include "cli/completion.h"
#include "cli/open_store.h"
#include "cli/pull_model.h"

namespace mlxr::cli {

void add_pull(CLI::App& app, Action& action) {
  struct Options {
    std::string model;
    PullWishes wishes;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("pull", "Downloads a model after showing its license.");
  command->footer("Example: mlx pull smollm2:135m");
  command
      ->add_option(
          "MODEL", options->model,
          "A name from `mlx list --available`, a repository hf:ORGANIZATION/REPOSITORY[:QUANTIZATION], or the address of a GGUF file")
      ->required()
      ->type_name(kCompletesAvailable);
  command->add_option("--name", options->wishes.name, "Install it under this name")->type_name("NAME");
  command->add_flag("--accept-license", options->wishes.accept_license, "Accept the license that is shown, for scripts");
  command->add_flag("--insecure", options->wishes.insecure, "Allow plain HTTP, which others on the network can alter");
  command->callback([&action, options] {
    action = [options]() -> Status {
      auto store = open_store();
      if (!store) return give_up(store.error());
      auto model = pull_model(**store, options->model, options->wishes);
      if (!model) return give_up(model.error());
      return {};
    };
  });
}

}  // namespace mlxr::cli
