#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/completion.h"
#include "cli/format.h"
#include "cli/interrupt.h"
#include "cli/json_output.h"
#include "cli/model_json.h"
#include "cli/open_store.h"
#include "cli/terminal.h"

namespace mlxr::cli {
namespace {

std::string for_people(const store::ModelRecord& model) {
  std::string out;
  const auto line = [&out](std::string_view label, const std::string& value) {
    if (value.empty()) return;
    std::string padded(label);
    padded.resize(16, ' ');
    out += "  " + styled(Style::kDim, padded) + value + "\n";
  };
  out += styled(Style::kBold, model.name) + "\n";
  line("architecture", model.architecture);
  line("parameters", format_count(model.parameters));
  line("quantization", model.quantization);
  line("context", std::to_string(model.context_length) + " tokens");
  line("embedding", std::to_string(model.embedding_length));
  line("file", model.file.string() + (model.in_place ? " (used in place)" : ""));
  line("size", format_bytes(model.size));
  line("sha256", model.sha256);
  line("license", model.license.empty() ? "unknown" : model.license);
  line("source", model.source);
  line("added", format_day(model.modified_at));
  return out;
}

// As `mlx run` takes it: a model's name, a file or a model folder. Neither need be imported.
Result<store::ModelRecord> find(store::Store& store, const std::string& name) {
  const auto ref = store::ModelRef::parse(name, store::PathRule::kAny);
  if (!ref) return fail(ref.error());
  return ref->kind == store::ModelRef::Kind::kName ? store.find(name) : store.resolve(*ref, {.cancelled = &interrupted()});
}

}  // namespace

void add_show(CLI::App& app, Action& action) {
  struct Options {
    std::string model;
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("show", "Shows the details of a model.");
  command->footer("Example: mlx show smollm2:135m");
  command->add_option("MODEL", options->model, "A model's name, a GGUF file, or a model folder")
      ->required()
      ->type_name(kCompletesModelOrFile);
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([&action, options] {
    action = [options]() -> Status {
      auto store = open_store();
      if (!store) return give_up(store.error());
      auto model = find(**store, options->model);
      if (!model) return give_up(model.error());
      if (options->json) return print_json(to_json(*model));
      write_out(for_people(*model));
      return {};
    };
  });
}

}  // namespace mlxr::cli
