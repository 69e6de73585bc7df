#include "cli/loaded_models.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/format.h"
#include "cli/table.h"
#include "cli/terminal.h"

namespace mlxr::cli {
namespace {

using nlohmann::json;

std::string when_unloaded(const json& model) {
  if (model.value("in_use", 0) > 0) return "in use";
  const json left = model.value("unloads_in_s", json());
  return left.is_number() ? "in " + format_duration(std::max(0.0, left.get<double>())) : "never";
}

// Of a model that is larger than memory, a token needs a part of the weights.
std::string weights_of(const json& model) {
  const auto bytes = [&](const char* key) { return format_bytes(model.value(key, std::uint64_t{0})); };
  return model.value("paged", false) ? bytes("active_weights") + " of " + bytes("weights") : bytes("weights");
}

// Layers with a window do not keep the whole context.
bool saves_by_windows(const json& model) { return model.value("saved_by_windows", std::uint64_t{0}) > 0; }

}  // namespace

std::string describe_loaded_models(const json& models) {
  if (models.empty()) return "No models in memory.\n";
  const auto bytes = [](const json& model, const char* key) { return format_bytes(model.value(key, std::uint64_t{0})); };
  const bool saves = std::ranges::any_of(models, saves_by_windows);
  // The cache grows with use, so only its limit is known.
  std::vector<Table::Column> columns{
      {"NAME"}, {"WEIGHTS", Align::kRight}, {"CACHE", Align::kRight}, {"CONTEXT", Align::kRight}, {"UNLOADS"}};
  if (saves) columns.push_back({"SAVED BY WINDOWS"});
  Table table(std::move(columns));
  for (const json& model : models) {
    table.add_row({model.value("name", ""), weights_of(model), "up to " + bytes(model, "cache_limit"),
                   std::to_string(model.value("context_length", 0)), when_unloaded(model),
                   saves_by_windows(model) ? bytes(model, "saved_by_windows") + " of each context" : ""});
  }
  return table.to_string();
}

}  // namespace mlxr::cli
