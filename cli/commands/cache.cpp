#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/format.h"
#include "cli/json_output.h"
#include "cli/open_store.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "platform/paths.h"
#include "store/weight_cache.h"

namespace mlxr::cli {
namespace {

// The names of the models with this file: there may be several, or none if it was removed.
std::string names_of(const std::vector<store::ModelRecord>& models, const std::string& sha256) {
  std::string names;
  for (const auto& model : models)
    if (model.sha256 == sha256) names += (names.empty() ? "" : ", ") + model.name;
  return names;
}

std::uint64_t total(const std::vector<store::CachedWeights>& weights) {
  std::uint64_t bytes = 0;
  for (const auto& one : weights) bytes += one.size;
  return bytes;
}

Status show(const std::vector<store::CachedWeights>& weights, const std::vector<store::ModelRecord>& models, bool as_json) {
  if (as_json) {
    auto list = nlohmann::ordered_json::array();
    for (const auto& one : weights) {
      list.push_back({{"model", names_of(models, one.sha256)},
                      {"layout", one.layout},
                      {"size", one.size},
                      {"used_at", one.used_at},
                      {"sha256", one.sha256},
                      {"file", one.file.string()}});
    }
    return print_json({{"weights", list}, {"size", total(weights)}});
  }
  if (weights.empty()) {
    write_out("The cache is empty. Loading a model for the first time fills it.\n");
    return {};
  }
  Table table({{"MODEL"}, {"FOR"}, {"SIZE", Align::kRight}, {"LAST USED"}});
  for (const auto& one : weights) {
    const auto names = names_of(models, one.sha256);
    table.add_row(
        {names.empty() ? "(" + one.sha256.substr(0, 12) + ")" : names, one.layout, format_bytes(one.size), format_day(one.used_at)});
  }
  write_out(table.to_string());
  return {};
}

}  // namespace

void add_cache(CLI::App& app, Action& action) {
  struct Options {
    bool clear = false, as_json = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("cache", "Shows or clears the cache of repacked weights.");
  command->footer("Example: mlx cache --clear");
  auto* clear = command->add_flag("--clear", options->clear, "Delete the cache; it is made again when a model is loaded");
  command->add_flag("--json", options->as_json, "Print JSON")->excludes(clear);
  command->callback([&action, options] {
    action = [options]() -> Status {
      const auto paths = platform::Paths::from_environment();
      if (!paths) return give_up(paths.error());
      if (options->clear) {
        const auto deleted = store::clear_cached_weights(paths->cache);
        if (!deleted) return give_up(deleted.error());
        write_out(deleted->empty() ? std::string("The cache is empty.\n") : format_bytes(total(*deleted)) + " deleted.\n");
        return {};
      }
      auto store = open_store();
      if (!store) return give_up(store.error());
      const auto models = (*store)->list();
      if (!models) return give_up(models.error());
      return show(store::cached_weights(paths->cache), *models, options->as_json);
    };
  });
}

}  // namespace mlxr::cli
