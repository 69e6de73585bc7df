#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/format.h"
#include "cli/json_output.h"
#include "cli/model_json.h"
#include "cli/open_store.h"
#include "cli/pull_model.h"
#include "cli/table.h"
#include "cli/terminal.h"

namespace mlxr::cli {
namespace {

struct Options {
  bool available = false;
  bool names = false;
  bool json = false;
};

Status list_installed(const std::vector<store::ModelRecord>& models, const Options& options) {
  if (options.json) {
    auto array = nlohmann::ordered_json::array();
    for (const auto& model : models) array.push_back(to_json(model));
    return print_json({{"models", array}});
  }
  if (options.names) {
    for (const auto& model : models) write_out(model.name + "\n");
    return {};
  }
  if (models.empty()) {
    write_out("No models installed. See what you can get: mlx list --available\n");
    return {};
  }
  Table table(
      {{"NAME"}, {"PARAMETERS", Align::kRight}, {"TYPE"}, {"SIZE", Align::kRight}, {"CONTEXT", Align::kRight}, {"LICENCE"}, {"ADDED"}});
  for (const auto& model : models) {
    table.add_row({model.name, format_count(model.parameters), model.quantization, format_bytes(model.size),
                   std::to_string(model.context_length), model.license.empty() ? "unknown" : model.license, format_day(model.modified_at)});
  }
  write_out(table.to_string());
  return {};
}

Status list_available(const std::vector<store::ModelRecord>& models, const Options& options) {
  const auto installed = [&](std::string_view name) {
    return std::any_of(models.begin(), models.end(), [&](const auto& model) { return model.name == name; });
  };
  if (options.json) {
    auto array = nlohmann::ordered_json::array();
    for (const auto& entry : store::catalogue()) array.push_back(to_json(entry, installed(entry.name)));
    return print_json({{"models", array}});
  }
  if (options.names) {
    for (const auto& entry : store::catalogue()) write_out(std::string(entry.name) + "\n");
    return {};
  }
  Table table({{"NAME"}, {"DOWNLOAD", Align::kRight}, {"MEMORY", Align::kRight}, {"LICENCE"}, {"HERE"}});
  std::string descriptions;
  for (const auto& entry : store::catalogue()) {
    table.add_row({std::string(entry.name), format_bytes(entry.size), format_bytes(entry.memory), std::string(entry.license),
                   installed(entry.name) ? "yes" : "no"});
    descriptions += "\n" + styled(Style::kBold, entry.name) + "\n" + wrapped(entry.description, text_width(), 2) +
                    wrapped(std::string(entry.license) + ": " + std::string(entry.license_summary), text_width(), 2) +
                    wrapped(entry.license_url, text_width(), 2);
  }
  write_out(table.to_string() + descriptions + "\n" + next_models_hint());
  return {};
}

}  // namespace

void add_list(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("list", "Lists the installed models, or those you can download by name.");
  command->footer("Example: mlx list --available");
  command->add_flag("--available", options->available, "List the models you can download, with the memory they need");
  command->add_flag("-q,--quiet", options->names, "Print names only");
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([&action, options] {
    action = [options]() -> Status {
      auto store = open_store();
      if (!store) return give_up(store.error());
      auto models = (*store)->list();
      if (!models) return give_up(models.error());
      return options->available ? list_available(*models, *options) : list_installed(*models, *options);
    };
  });
}

}  // namespace mlxr::cli
