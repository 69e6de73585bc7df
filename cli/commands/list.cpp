#include <CLI/CLI.hpp>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/format.h"
#include "cli/json_output.h"
#include "cli/model_json.h"
#include "cli/open_store.h"
#include "cli/pull_model.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "platform/cpu.h"
#include "store/installed.h"

namespace mlxr::cli {
namespace {

struct Options {
  bool available = false;
  bool names = false;
  bool json = false;
};

std::string kind_of(const store::Leftover& one) {
  return one.kind == store::Leftover::Kind::kUnfinished ? "unfinished download" : "failed verification";
}

// Leftovers take space but are not models: a separate table, with the next step.
std::string leftovers_table(const std::vector<store::Leftover>& leftovers) {
  if (leftovers.empty()) return "";
  Table table({{"NOT INSTALLED"}, {"SIZE", Align::kRight}, {"STATE"}});
  for (const auto& one : leftovers) table.add_row({one.name, format_bytes(one.size), kind_of(one)});
  return "\n" + table.to_string() + "To continue a download: mlx pull NAME. To remove it: mlx rm NAME\n";
}

// Models that cannot run as they are, with the next step.
std::string troubles(const std::vector<store::ModelRecord>& models) {
  std::string out;
  for (const auto& model : models) {
    const auto what = store::trouble_of(model);
    if (what.empty()) continue;
    out += (out.empty() ? "\n" : "") + model.name + " cannot run: " + what + " (" + model.file.string() + "). " +
           (model.in_place ? "Import it again from where it is now" : "Get it again: mlx pull " + model.name) + ", or remove it: mlx rm " +
           model.name + "\n";
  }
  return out;
}

nlohmann::ordered_json leftover_json(const store::Leftover& one) {
  return {{"name", one.name}, {"state", kind_of(one)}, {"size", one.size}, {"path", one.path.string()}};
}

Status list_installed(const std::vector<store::ModelRecord>& models, const std::vector<store::Leftover>& leftovers,
                      const Options& options) {
  if (options.json) {
    auto array = nlohmann::ordered_json::array();
    for (const auto& model : models) {
      array.push_back(to_json(model));
      if (const auto what = store::trouble_of(model); !what.empty()) array.back()["trouble"] = what;
    }
    auto rest = nlohmann::ordered_json::array();
    for (const auto& one : leftovers) rest.push_back(leftover_json(one));
    return print_json({{"models", array}, {"not_installed", rest}});
  }
  if (options.names) {
    for (const auto& model : models) write_out(model.name + "\n");
    return {};
  }
  if (models.empty()) {
    write_out("No models installed. See what you can get: mlx list --available\n" + leftovers_table(leftovers));
    return {};
  }
  Table table(
      {{"NAME"}, {"PARAMETERS", Align::kRight}, {"TYPE"}, {"SIZE", Align::kRight}, {"CONTEXT", Align::kRight}, {"LICENSE"}, {"ADDED"}});
  for (const auto& model : models) {
    table.add_row({model.name, format_count(model.parameters), model.quantization, format_bytes(model.size),
                   std::to_string(model.context_length), model.license.empty() ? "unknown" : model.license, format_day(model.modified_at)});
  }
  write_out(table.to_string() + troubles(models) + leftovers_table(leftovers));
  return {};
}

std::string available_table(const std::function<bool(std::string_view)>& installed) {
  const auto memory = platform::usable_memory();
  Table table({{"NAME"}, {"MODEL"}, {"DOWNLOAD", Align::kRight}, {"MEMORY", Align::kRight}, {"FITS"}, {"LICENSE"}, {"INSTALLED"}});
  for (const auto& entry : store::catalogue()) {
    if (!entry.runs()) continue;
    table.add_row({entry.name, entry.title, format_bytes(entry.about), format_bytes(entry.memory), entry.memory <= memory ? "yes" : "no",
                   entry.license.empty() ? "unknown" : entry.license, installed(entry.name) ? "yes" : "no"});
  }
  return table.to_string() + "FITS compares the memory that a model needs with the " + format_bytes(memory) + " of this machine.\n";
}

// The catalogue's models that the engine cannot run yet.
std::string known_only() {
  std::string names;
  for (const auto& entry : store::catalogue())
    if (!entry.runs()) names += (names.empty() ? "" : ", ") + entry.name;
  if (names.empty()) return "";
  return "\n" + wrapped("Not supported yet, because MLXR does not run their architecture: " + names, text_width());
}

std::string licenses_of_catalogue() {
  std::map<std::string, std::string> texts;
  for (const auto& entry : store::catalogue())
    if (entry.runs() && !entry.license.empty()) texts[entry.license] = entry.license_summary + "\n" + entry.license_url;
  std::string out;
  for (const auto& [license, text] : texts) {
    const auto end = text.find('\n');
    out += "\n" + styled(Style::kBold, license) + "\n";
    if (end > 0) out += wrapped(text.substr(0, end), text_width(), 2);
    out += wrapped(text.substr(end + 1), text_width(), 2);
  }
  return out;
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
    for (const auto& entry : store::catalogue())
      if (entry.runs()) write_out(entry.name + "\n");
    return {};
  }
  write_out(available_table(installed) + known_only() + licenses_of_catalogue() + "\n" + next_models_hint());
  return {};
}

}  // namespace

void add_list(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("list", "Lists the installed models, or those of the catalogue.");
  command->footer("Example: mlx list --available");
  command->add_flag("--available", options->available, "List the catalogue, with the memory that each model needs");
  command->add_flag("-q,--quiet", options->names, "Print names only");
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([&action, options] {
    action = [options]() -> Status {
      auto store = open_store();
      if (!store) return give_up(store.error());
      auto models = (*store)->list();
      if (!models) return give_up(models.error());
      return options->available ? list_available(*models, *options) : list_installed(*models, (*store)->leftovers(), *options);
    };
  });
}

}  // namespace mlxr::cli
