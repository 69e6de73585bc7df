#include <CLI/CLI.hpp>

#include "cli/commands/commands.h"
#include "cli/model_json.h"
#include "cli/terminal.h"

namespace mlxr::cli {

void add_rm(CLI::App& app, Action& action) {
  auto names = std::make_shared<std::vector<std::string>>();
  CLI::App* command = app.add_subcommand("rm", "Removes models. The files of imported models stay where they are.");
  command->footer("Example: mlx rm smollm2:135m");
  command->add_option("MODEL", *names, "Names of models")->required();
  command->callback([&action, names] {
    action = [names]() -> Status {
      auto store = open_store();
      if (!store) return give_up(store.error());
      for (const std::string& name : *names) {
        auto model = (*store)->find(name);
        if (!model) return give_up(model.error());
        auto removed = (*store)->remove(model->name);
        if (!removed) return give_up(removed.error());
        write_out(model->in_place ? model->name + " is forgotten; its file stays: " + model->file.string() + "\n"
                                  : model->name + " is removed.\n");
      }
      return {};
    };
  });
}

}  // namespace mlxr::cli
