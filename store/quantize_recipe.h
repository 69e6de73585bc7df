// Chooses the type of each tensor of a model. A recipe has the usual name of such files ("Q4_K_M"), and makes the customary choices for
// that name, which are llama.cpp's for the llama, qwen2 and gemma3 families:
//
//   - only matrices whose name ends in "weight" change; norms, biases and the router of experts stay as they are
//   - the output matrix, or the embedding where it is used for the output too, gets Q6_K (Q8_0 in Q8_0)
//   - K_M: attn_v and ffn_down get Q6_K in the layers where it shows most: the first and last eighth, and every third between them
//   - K_S (Q4 only): attn_v of the first four layers and ffn_down of the first eighth get Q5_K
//   - rows whose length is not a multiple of 256 get the next larger type with blocks of 32: Q5_0 for Q4_K, Q5_1 for Q5_K, Q8_0 for Q6_K;
//     rows whose length is not a multiple of 32 either get F16
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/formats/checkpoint.h"
#include "core/quant/type.h"

namespace mlxr::store {

struct Recipe {
  enum class More : std::uint8_t { kNone, kSmall, kMedium };  // which sensitive tensors get a larger type

  std::string_view name;
  quant::Type type;         // of most matrices
  std::uint32_t file_type;  // general.file_type
  More more = More::kNone;
};

std::span<const Recipe> recipes();
const Recipe* find_recipe(std::string_view name);  // in upper or lower case; nullptr when there is none

// The types for the tensors of a file, in their order.
std::vector<quant::Type> choose_types(const Recipe& recipe, std::span<const formats::Tensor> tensors, const formats::Metadata& metadata);

}  // namespace mlxr::store
