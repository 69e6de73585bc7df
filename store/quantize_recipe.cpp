#include "store/quantize_recipe.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <string>

namespace mlxr::store {
namespace {

using quant::Type;
using More = Recipe::More;

constexpr Recipe kRecipes[] = {
    {"F16", Type::kF16, 1},
    {"BF16", Type::kBF16, 32},
    {"Q4_0", Type::kQ4_0, 2},
    {"Q4_1", Type::kQ4_1, 3},
    {"Q5_0", Type::kQ5_0, 8},
    {"Q5_1", Type::kQ5_1, 9},
    {"Q8_0", Type::kQ8_0, 7},
    {"Q6_K", Type::kQ6_K, 18},
    {"Q4_K_M", Type::kQ4_K, 15, More::kMedium},
    {"Q4_K_S", Type::kQ4_K, 14, More::kSmall},
    {"Q5_K_M", Type::kQ5_K, 17, More::kMedium},
    {"Q5_K_S", Type::kQ5_K, 16},
};

bool is_plain(Type type) { return quant::traits(type).block_size == 1; }

bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

// True for a matrix that every recipe changes. Some weights are too small or too sensitive for it.
bool is_changed(const formats::Tensor& tensor) {
  if (std::count_if(tensor.shape.begin(), tensor.shape.end(), [](auto dim) { return dim > 1; }) < 2) return false;
  if (!tensor.name.ends_with("weight")) return false;
  for (const auto part : {"_norm.weight", "ffn_gate_inp.weight", "position_embd.weight", "token_types.weight", "altup_", "laurel_",
                          "per_layer_model_proj.weight"})
    if (contains(tensor.name, part)) return false;
  return true;
}

bool is_attention_value(std::string_view name) { return contains(name, "attn_v.weight") || contains(name, "attn_qkv.weight"); }

// The number in "blk.7.attn_v.weight", 0 without one.
std::int64_t layer_of(std::string_view name) {
  std::int64_t layer = 0;
  if (name.starts_with("blk.")) std::from_chars(name.data() + 4, name.data() + name.size(), layer);
  return layer;
}

// Layers where more bits improve the result most.
bool is_sensitive(std::int64_t layer, std::int64_t n_layers) {
  return layer < n_layers / 8 || layer >= 7 * n_layers / 8 || (layer - n_layers / 8) % 3 == 2;
}

// Properties of the model that the type of a tensor depends on.
struct Model {
  std::int64_t n_layers;
  bool has_output_matrix;  // otherwise the embedding is used as one
  std::vector<std::int64_t> value_layers;
};

Model describe(std::span<const formats::Tensor> tensors, const formats::Metadata& metadata) {
  Model model{};
  const auto architecture = metadata.string("general.architecture").value_or("");
  model.n_layers = metadata.integer(std::string(architecture) + ".block_count").value_or(0);
  for (const auto& tensor : tensors) {
    model.has_output_matrix |= tensor.name == "output.weight";
    if (is_attention_value(tensor.name)) model.value_layers.push_back(layer_of(tensor.name));
  }
  std::sort(model.value_layers.begin(), model.value_layers.end());
  return model;
}

Type with_more_bits(const Recipe& recipe, const formats::Tensor& tensor, const Model& model) {
  const std::string_view name = tensor.name;
  if (name == "output.weight" || (!model.has_output_matrix && name == "token_embd.weight")) {
    const auto block = static_cast<std::int64_t>(quant::traits(recipe.type).block_size);
    return recipe.type == Type::kQ8_0 || tensor.shape.back() % block != 0 ? Type::kQ8_0 : Type::kQ6_K;
  }
  const std::int64_t layer = layer_of(name);
  if (is_attention_value(name)) {
    const auto& layers = model.value_layers;
    const auto rank = std::lower_bound(layers.begin(), layers.end(), layer) - layers.begin();
    if (recipe.more == More::kMedium && is_sensitive(rank, std::ssize(layers))) return Type::kQ6_K;
    // 70B models share one value head among eight query heads: the tensor is small and sensitive.
    const bool precious = (recipe.more == More::kSmall && rank < 4) || model.n_layers == 80;
    return precious && recipe.type == Type::kQ4_K ? Type::kQ5_K : recipe.type;
  }
  if (contains(name, "ffn_down")) {
    if (recipe.more == More::kMedium && is_sensitive(layer, model.n_layers)) return Type::kQ6_K;
    if (recipe.more == More::kSmall && layer < model.n_layers / 8) return Type::kQ5_K;
  }
  return recipe.type;
}

Type that_fits(Type type, std::int64_t row) {
  const auto fits = [row](Type t) { return row % static_cast<std::int64_t>(quant::traits(t).block_size) == 0; };
  if (!fits(type)) {
    if (type == Type::kQ4_K) type = Type::kQ5_0;
    if (type == Type::kQ5_K) type = Type::kQ5_1;
    if (type == Type::kQ6_K) type = Type::kQ8_0;
  }
  return fits(type) ? type : Type::kF16;
}

}  // namespace

std::span<const Recipe> recipes() { return kRecipes; }

const Recipe* find_recipe(std::string_view name) {
  const auto same = [name](const Recipe& recipe) {
    return std::equal(name.begin(), name.end(), recipe.name.begin(), recipe.name.end(),
                      [](char a, char b) { return std::toupper(static_cast<unsigned char>(a)) == b; });
  };
  const auto found = std::find_if(std::begin(kRecipes), std::end(kRecipes), same);
  return found == std::end(kRecipes) ? nullptr : found;
}

std::vector<Type> choose_types(const Recipe& recipe, std::span<const formats::Tensor> tensors, const formats::Metadata& metadata) {
  const Model model = describe(tensors, metadata);
  std::vector<Type> types;
  types.reserve(tensors.size());
  for (const auto& tensor : tensors) {
    if (!is_changed(tensor))
      types.push_back(tensor.type);
    else if (is_plain(recipe.type))
      types.push_back(recipe.type);
    else
      types.push_back(that_fits(with_more_bits(recipe, tensor, model), tensor.shape.back()));
  }
  return types;
}

}  // namespace mlxr::store
