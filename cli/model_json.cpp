#include "cli/model_json.h"

#include <nlohmann/json.hpp>

#include "platform/cpu.h"
#include "store/catalogue.h"
#include "store/store.h"

namespace mlxr::cli {

using nlohmann::ordered_json;

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

}  // namespace mlxr::cli
