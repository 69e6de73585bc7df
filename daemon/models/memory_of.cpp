#include "daemon/models/memory_of.h"

#include <utility>

#include <nlohmann/json.hpp>

namespace mlxr::daemon {

Result<std::string> memory_of(Engine& engine, const std::filesystem::path& model, LoadOptions options) {
  nlohmann::ordered_json need;
  options.admit = [&need, limit = options.memory](const ModelInfo& info) -> Result<void> {
    need = {{"weights", info.weight_bytes},         {"active", info.active_bytes},    {"cache", info.kv_bytes},
            {"total", info.memory_bytes()},         {"context", info.context_length}, {"limit", limit},
            {"fits", info.memory_bytes() <= limit}, {"paged", info.is_paged},         {"unpaged_why", info.unpaged_why}};
    return fail(ErrorCode::kCancelled, "The load ends here.");
  };
  const auto loaded = engine.load(model, std::move(options));
  if (!need.empty()) return need.dump();
  return loaded ? fail(ErrorCode::kInternal, "The model was loaded without a question.") : fail(loaded.error());
}

}  // namespace mlxr::daemon
