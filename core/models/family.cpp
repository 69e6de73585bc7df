#include "core/models/family.h"

#include <algorithm>
#include <iterator>

namespace mlxr::models {
namespace {

constexpr Family kFamilies[] = {
    // Llama (2023) and all that share its shape: Mistral, SmolLM2, Llama 3.
    {.name = "llama", .rope_interleaved = true, .rope_factors = true},
    // Qwen2 report (2024); its biases are in the file.
    {.name = "qwen2"},
    // Gemma 3 report (2025): five local layers for each global one; local RoPE base 10,000.
    {.name = "gemma3",
     .activation = ops::Activation::kGeluTanh,
     .scale_embeddings = true,
     .head_norms = true,
     .norms_after = true,
     .global_every = 6,
     .local_rope_base = 10000},
};

}  // namespace

const Family* find_family(std::string_view architecture) {
  const auto* family = std::ranges::find(kFamilies, architecture, &Family::name);
  return family == std::end(kFamilies) ? nullptr : family;
}

}  // namespace mlxr::models
