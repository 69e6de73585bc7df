#include <CLI/CLI.hpp>

#include "cli/commands/commands.h"
#include "cli/completion.h"
#include "cli/format.h"
#include "cli/interrupt.h"
#include "cli/open_store.h"
#include "cli/terminal.h"
#include "store/catalogue.h"

namespace mlxr::cli {

void add_import(CLI::App& app, Action& action) {
  struct Options {
    std::string path;
    std::string name;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("import", "Registers a GGUF file or a model folder as a model.");
  command->footer("Example: mlx import ~/models/model.gguf --name my-model");
  command->add_option("PATH", options->path, "A GGUF file, a folder that contains one, or a model folder as Hugging Face publishes it")
      ->required()
      ->type_name(kCompletesFile);
  command->add_option("--name", options->name, "The model's name; by default, that of the file or folder")->type_name("NAME");
  command->callback([&action, options] {
    action = [options]() -> Status {
      auto store = open_store();
      if (!store) return give_up(store.error());
      auto model = (*store)->import(options->path, options->name, {.cancelled = &interrupted()});
      if (!model) return give_up(model.error());
      write_out("Imported " + model->name + " from " + model->file.string() + " (" + model->architecture + ", " +
                format_count(model->parameters) + " parameters, " + model->quantization + ").");
      write_out(store::writes_text(model->architecture) ? " Try it: mlx run " + model->name + "\n" : " It makes embeddings of texts.\n");
      return {};
    };
  });
}

}  // namespace mlxr::cli
