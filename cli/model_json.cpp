#include "cli/model_json.h"

#include <nlohmann/json.hpp>

#include "cli/terminal.h"
#include "platform/cpu.h"

namespace mlxr::cli {

using nlohmann::ordered_json;

Outcome<std::unique_ptr<store::Store>> open_store() {
  auto paths = platform::Paths::from_environment();
  if (!paths) return give_up(paths.error());
  auto store = store::Store::open(*paths);
  if (!store) return give_up(store.error());
  return std::move(*store);
}

ordered_json to_json(const store::ModelRecord& model) {
  return {{"name", model.name},
          {"file", model.file.string()},
          {"in_place", model.in_place},
          {"size", model.size},
          {"sha256", model.sha256},
          {"license", model.license},
          {"source", model.source},
          {"modified_at", model.modified_at},
          {"architecture", model.architecture},
          {"quantization", model.quantization},
          {"parameters", model.parameters},
          {"context_length", model.context_length},
          {"embedding_length", model.embedding_length}};
}

ordered_json to_json(const store::CatalogueEntry& entry, bool installed) {
  return {{"name", entry.name},
          {"title", entry.title},
          {"publisher", entry.publisher},
          {"description", entry.description},
          {"license", entry.license},
          {"license_url", entry.license_url},
          {"license_summary", entry.license_summary},
          {"architecture", entry.architecture},
          {"size", entry.size == 0 ? entry.about : entry.size},
          {"memory", entry.memory},
          {"sha256", entry.sha256},
          {"runs", entry.runs()},
          {"fits", entry.memory <= platform::usable_memory()},
          {"installed", installed}};
}

Status print_json(const ordered_json& value) {
  if (!write_out(value.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n")) {
    return give_up(ExitCode::kFailure, "The output could not be written.");
  }
  return {};
}

}  // namespace mlxr::cli
