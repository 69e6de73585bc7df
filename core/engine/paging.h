// Whether a model's weights fit in memory, and what becomes of a model whose weights do not.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include <mlxrunner/engine.h>

#include "core/formats/checkpoint.h"
#include "core/models/bindings.h"
#include "core/ops/ops.h"

namespace mlxr::engine {

// Bytes of the weights that a token does not read: of each layer's experts, those that it does not take.
std::uint64_t idle_bytes(const formats::Checkpoint& file, const models::Bindings& bindings, const ops::Ops& ops);

// Decides whether the model is paged (ModelInfo::is_paged): it is larger than `memory` bytes, a token reads only some of its experts, and
// its panels can be kept. If it would be and they cannot, ModelInfo::unpaged_why says why.
void decide_paging(ModelInfo& info, std::uint64_t memory, std::span<const formats::Tensor> parts, const ops::Ops& ops,
                   const ops::PanelOptions& panels);

// One sentence, for a model that is paged.
std::string warning_of_paging(const ModelInfo& info, std::uint64_t memory);

// Whether what must be in memory of the weights fits. Errors: kOverloaded, with both numbers.
Result<void> check_memory(const ModelInfo& info, std::uint64_t memory);

}  // namespace mlxr::engine
