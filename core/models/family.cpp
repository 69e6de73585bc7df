#include "core/models/family.h"

namespace mlxr::models {
namespace {

using ops::Activation;

constexpr Family kFamilies[] = {
    // Llama (2023) and all that share its shape: Mistral, SmolLM2, Llama 3.
    {"llama", true, Activation::kSilu, false, false, false, true, 1, 0},
    // Qwen2 report (2024); its biases are in the file.
    {"qwen2", false, Activation::kSilu, false, false, false, false, 1, 0},
    // Gemma 3 report (2025): five local layers for each global one; local RoPE base 10,000.
    {"gemma3", false, Activation::kGeluTanh, true, true, true, false, 6, 10000},
};

}  // namespace

const Family* find_family(std::string_view architecture) {
  for (const auto& family : kFamilies) {
    if (family.name == architecture) return &family;
  }
  return nullptr;
}

}  // namespace mlxr::models
