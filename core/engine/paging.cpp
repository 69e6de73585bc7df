#include "core/engine/paging.h"

#include <algorithm>
#include <string>

namespace mlxr::engine {
namespace {

std::string mib(std::uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

}  // namespace

std::uint64_t idle_bytes(const formats::Checkpoint& file, const models::Bindings& bindings, const ops::Ops& ops) {
  std::uint64_t bytes = 0;
  for (const auto& [role, binding] : bindings.all()) {
    const auto* stack = binding.used > 0 ? file.find(binding.tensor) : nullptr;
    if (stack) bytes += static_cast<std::uint64_t>(binding.experts - binding.used) * ops.weight_bytes(binding.part_of(stack->at(0)));
  }
  return bytes;
}

void decide_paging(ModelInfo& info, std::uint64_t memory, std::span<const formats::Tensor> parts, const ops::Ops& ops,
                   const ops::PanelOptions& panels) {
  if (info.memory_bytes() <= memory || info.active_bytes == info.weight_bytes) return;
  const auto kept = ops::Panels::can_keep(parts, ops, panels);
  info.is_paged = kept.has_value();
  if (!kept) info.unpaged_why = "Its experts cannot be read from disk when they are needed: " + kept.error().message;
}

std::string warning_of_paging(const ModelInfo& info, std::uint64_t memory) {
  return "The weights take " + mib(info.weight_bytes) + ", more than the " + mib(memory - std::min(memory, info.kv_bytes)) +
         " of memory that the KV cache leaves for them: a token reads " + mib(info.active_bytes) +
         " of them, and experts that are not in memory are read from disk when a token needs them.";
}

Result<void> check_memory(const ModelInfo& info, std::uint64_t memory) {
  const auto bytes = info.is_paged ? info.active_bytes : info.weight_bytes;
  if (bytes <= memory) return {};
  auto refusal =
      info.file.filename().string() + " needs " + mib(bytes) + " of memory for its weights, and this machine has " + mib(memory) + ".";
  if (!info.unpaged_why.empty()) refusal += " " + info.unpaged_why;
  return fail(ErrorCode::kOverloaded, refusal);
}

}  // namespace mlxr::engine
