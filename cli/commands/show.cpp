#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/completion.h"
#include "cli/format.h"
#include "cli/interrupt.h"
#include "cli/json_output.h"
#include "cli/memory_need.h"
#include "cli/model_json.h"
#include "cli/open_store.h"
#include "cli/terminal.h"
#include "store/installed.h"
#include "store/model_details.h"

namespace mlxr::cli {
namespace {

// What is read from the model's files each time.
struct Details {
  std::vector<store::NamedValue> sampling;
  std::optional<MemoryNeed> memory;
};

Details details_of(const store::ModelRecord& model) {
  Details details{.sampling = {}, .memory = memory_need(model.file, model.sha256)};
  if (const auto files = store::open_files_of(model)) {
    if (auto sampling = store::read_sampling(*files)) details.sampling = *std::move(sampling);
  }
  return details;
}

std::string for_people(const store::ModelRecord& model, const Details& details) {
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
  std::string sampling;
  for (const auto& [name, value] : details.sampling) sampling += (sampling.empty() ? "" : ", ") + name + " " + value;
  line("sampling", sampling);
  if (details.memory) line("memory", in_words(*details.memory));
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
      const auto details = details_of(*model);
      if (!options->json) {
        write_out(for_people(*model, details));
        return {};
      }
      auto json = to_json(*model);
      json["sampling"] = nlohmann::ordered_json::object();
      for (const auto& [name, value] : details.sampling) json["sampling"][name] = nlohmann::json::parse(value);
      json["memory"] = details.memory ? to_json(*details.memory) : nlohmann::ordered_json();
      return print_json(json);
    };
  });
}

}  // namespace mlxr::cli
