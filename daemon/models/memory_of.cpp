#include "daemon/models/memory_of.h"

#include <nlohmann/json.hpp>

namespace mlxr::daemon {

Result<std::string> memory_of(Engine& engine, const std::filesystem::path& model, int context, std::uint64_t memory) {
  nlohmann::ordered_json need;
  const auto note = [&](const ModelInfo& info) -> Result<void> {
    need = {{"weights", info.weight_bytes},   {"cache", info.kv_bytes}, {"total", info.memory_bytes()},
            {"context", info.context_length}, {"limit", memory},        {"fits", info.memory_bytes() <= memory}};
    return fail(ErrorCode::kCancelled, "The load ends here.");
  };
  const auto loaded = engine.load(model, {.max_context = context, .admit = note});
  if (!need.empty()) return need.dump();
  return loaded ? fail(ErrorCode::kInternal, "The model was loaded without a question.") : fail(loaded.error());
}

}  // namespace mlxr::daemon
