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

}  // namespace

std::string describe_loaded_models(const json& models) {
  if (models.empty()) return "No models in memory.\n";
  // The cache grows with use, so only its limit is known.
  Table table({{"NAME"}, {"WEIGHTS", Align::kRight}, {"CACHE", Align::kRight}, {"CONTEXT", Align::kRight}, {"UNLOADS"}});
  for (const json& model : models) {
    table.add_row({model.value("name", ""), format_bytes(model.value("weights", std::uint64_t{0})),
                   "up to " + format_bytes(model.value("cache_limit", std::uint64_t{0})), std::to_string(model.value("context_length", 0)),
                   when_unloaded(model)});
  }
  return table.to_string();
}

}  // namespace mlxr::cli
