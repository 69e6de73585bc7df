// Which type each tensor of a model gets. A recipe is named as people name the files ("Q4_K_M"); the choices are those that the field
// expects under that name, which are llama.cpp's for the llama, qwen2 and gemma3 families:
//
//   - only matrices whose name ends in "weight" change; norms, biases and the router of experts stay as they are
//   - the output matrix, or the embedding where it is used for the output too, gets Q6_K (Q8_0 in Q8_0)
//   - K_M: attn_v and ffn_down get Q6_K in the layers where it shows most: the first and last eighth, and every third between them
//   - K_S (Q4 only): attn_v of the first four layers and ffn_down of the first eighth get Q5_K
//   - a row that is no whole number of blocks of 256 gets the type of 32 that comes next in size: Q4_K Q5_0, Q5_K Q5_1, Q6_K Q8_0;
//     one that is no multiple of 32 either, F16
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/formats/checkpoint.h"
#include "core/quant/type.h"

namespace mlxr::store {

struct Recipe {
  enum class More : std::uint8_t { kNone, kSmall, kMedium };  // what sensitive tensors get beyond the type

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
