#include "core/formats/folder/tensor_builder.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/formats/folder/decoded_sources.h"
#include "core/formats/folder/packed_sources.h"
#include "core/formats/gguf.h"
#include "core/formats/printable.h"

namespace mlxr::formats {
namespace {

// Of activations, which are not kept in 8 bits here.
constexpr std::string_view kScalesOfActivations[] = {"activation_scale", "input_scale"};

bool has_three_dims(Layout layout) {
  return layout == Layout::kExperts || layout == Layout::kGateThenUp || layout == Layout::kGateAndUp || layout == Layout::kTaps ||
         layout == Layout::kScanTaps || layout == Layout::kExpertsTurned || layout == Layout::kGateThenUpTurned;
}

bool is_scan(Layout layout) { return layout >= Layout::kRates; }

}  // namespace

Result<void> TensorBuilder::add(StoredSource stored) {
  if (is_left_out(stored.tensor.name, model_)) return {};
  const auto name = with_last_part(stored.tensor.name);
  const auto dot = name.rfind('.');
  if (dot == name.npos) return unknown(name);
  const auto stem = name.substr(0, dot), part = name.substr(dot + 1);
  if (!modules_[stem].emplace(part, std::move(stored)).second)
    return damaged(folder_, "tensor " + printable(name) + " is in two of its files");
  return {};
}

Result<BuiltTensors> TensorBuilder::finish() {
  if (auto agrees = check_own_values(); !agrees) return fail(agrees.error());
  norms_less_one_ = model_.type->norms_plus_one && !is_of_mlx();
  for (const auto& [stem, parts] : modules_) {
    if (auto built = build(stem, parts); !built) return fail(built.error());
  }
  if (auto built = build_stacks(); !built) return fail(built.error());
  emit("rope_freqs.weight", model_.rope_factors.all);
  emit("rope_factors_long.weight", model_.rope_factors.of_long_texts);
  emit("rope_factors_short.weight", model_.rope_factors.of_short_texts);
  return std::move(built_);
}

// Gemma 4: a layer without a matrix of values takes its keys for them, so config.json must say that it has none.
Result<void> TensorBuilder::check_own_values() const {
  for (const auto& [stem, parts] : modules_) {
    const auto mapped = map_name(stem, "", model_);
    if (!mapped || !mapped->name.ends_with(".attn_k") || std::cmp_greater_equal(mapped->layer, model_.own.size())) continue;
    auto values = stem;
    values.replace(values.rfind("k_proj"), 1, "v");
    if (modules_.contains(values) != model_.own[static_cast<std::size_t>(mapped->layer)].values)
      return damaged(folder_, "the values of layer " + std::to_string(mapped->layer) + " are not those of which its config.json tells");
  }
  return {};
}

// MLX folders of models with convolutions have whole norms, and their taps before the dimension of one channel.
bool TensorBuilder::is_of_mlx() const {
  return std::ranges::any_of(modules_, [](const auto& module) {
    const auto weight = module.second.find("weight");
    if (!module.first.ends_with(".linear_attn.conv1d") || weight == module.second.end()) return false;
    const auto& shape = weight->second.tensor.shape;
    return shape.size() == 3 && shape[2] == 1 && shape[1] != 1;
  });
}

Result<void> TensorBuilder::build(const std::string& stem, const Parts& parts) {
  std::vector<std::string> used = {"weight", "blocks", "bias"};
  for (const std::string part : {"weight", "blocks", "bias"}) {
    const auto stored = parts.find(part);
    if (stored == parts.end()) continue;
    const auto& name = stored->second.tensor.name;
    const auto mapped = map_name(stem, part == "bias" ? ".bias" : ".weight", model_);
    if (!mapped) return unknown(name);
    if (mapped->layer >= model_.layers)
      return damaged(folder_, "tensor " + printable(name) + " is of a layer that its config.json does not have");
    auto plain = decode(stem, stored->second, parts, used);
    if (!plain) return fail(std::move(plain.error()));
    const std::size_t most_dims = has_three_dims(mapped->layout) && part != "bias" ? 3 : 2;
    if (plain->shape.empty() || plain->shape.size() > most_dims) return wrong_shape(name);
    if (part == "bias") plain = as_floats(*std::move(plain), 0);
    if (auto built = build(*mapped, *std::move(plain), name); !built) return built;
  }
  for (const auto& [part, stored] : parts) {
    if (std::ranges::find(used, part) == used.end()) return unknown(stored.tensor.name);
  }
  return {};
}

Result<Tensor> TensorBuilder::decode(const std::string& stem, const StoredSource& stored, const Parts& others,
                                     std::vector<std::string>& used) {
  const auto& name = stored.tensor.name;
  const auto take = [&](std::string_view part) -> const StoredSource* {
    const auto found = others.find(part);
    if (found == others.end()) return nullptr;
    used.push_back(found->first);
    return &found->second;
  };
  const auto keep = [&](Result<Decoded> decoded) -> Result<Tensor> {
    if (!decoded) return fail(std::move(decoded.error()));
    return from(std::move(decoded->source), decoded->type, std::move(decoded->shape));
  };
  const auto dtype = stored.tensor.dtype;
  if (const auto type = float_type(dtype))
    return Tensor{
        .type = *type, .shape = stored.tensor.shape, .offset = stored.tensor.offset, .bytes = stored.tensor.bytes, .source = stored.file};
  if (dtype == Dtype::kU32) {
    const auto packing = mlx_packing(model_.quantization, stem);
    if (!packing) return fail(packing.error());
    if (*packing) return keep(decode_mlx(**packing, stored, take("scales"), take("biases"), name));
  }
  if (dtype == Dtype::kU8 && others.contains("blocks")) return keep(decode_mxfp4_blocks(stored, take("scales"), name));
  if (dtype == Dtype::kF8E4M3) {
    for (const auto part : kScalesOfActivations) take(part);
    const auto *inverse = take("weight_scale_inv"), *scale = take("weight_scale");
    return keep(decode_fp8(stored, inverse ? inverse : scale, model_.fp8_block, name));
  }
  return fail(ErrorCode::kUnsupported,
              "MLXR cannot run this model yet: its tensor " + printable(name) + " has the dtype " + std::string(name_of(dtype)) + ".");
}

Result<void> TensorBuilder::build(const MappedName& mapped, Tensor plain, const std::string& stored_name) {
  if (is_scan(mapped.layout)) return build_scan(mapped, std::move(plain), stored_name);
  const float added = norms_less_one_ ? 1 : 0;
  switch (mapped.layout) {
    case Layout::kFusedInTurn: return split_in_turn(mapped, plain, stored_name);
    case Layout::kStacked:
      if (plain.shape.size() != 1) return wrong_shape(stored_name);
      stacks_[mapped.name].emplace(mapped.part, as_floats(std::move(plain), added));
      return {};
    case Layout::kExpert: stacks_[mapped.name].emplace(mapped.part, std::move(plain)); return {};
    case Layout::kExperts: emit(mapped.name, std::move(plain)); return {};
    case Layout::kKeysThenValues: return split_keys_and_values(mapped, plain, stored_name);
    case Layout::kExpertsTurned:
    case Layout::kGateThenUpTurned:
      if (plain.shape.size() != 3) return wrong_shape(stored_name);
      plain = turned(plain);
      if (mapped.layout == Layout::kGateThenUpTurned) return split_gate_and_up(mapped, std::move(plain), stored_name);
      emit(mapped.name, std::move(plain));
      return {};
    case Layout::kGateThenUp:
    case Layout::kGateAndUp: return split_gate_and_up(mapped, std::move(plain), stored_name);
    case Layout::kPositions: {
      const auto offset = model_.type->position_offset;
      std::vector<std::int64_t> rows(static_cast<std::size_t>(std::max<std::int64_t>(plain.shape[0] - offset, 0)));
      std::iota(rows.begin(), rows.end(), offset);
      auto made = ordered(plain, std::move(rows), plain.shape[0], stored_name);
      if (!made) return fail(made.error());
      emit(mapped.name, *std::move(made));
      return {};
    }
    case Layout::kInputTable:
      if (model_.input_rows > 0 && plain.shape[0] != model_.input_rows) return wrong_shape(stored_name);
      if (model_.input_rows > 0 && model_.input_rows < model_.vocabulary) {
        std::vector<std::int64_t> rows(static_cast<std::size_t>(model_.vocabulary));
        std::iota(rows.begin(), rows.begin() + model_.input_rows, 0);
        auto made = ordered(plain, std::move(rows), plain.shape[0], stored_name);
        if (!made) return fail(made.error());
        emit(mapped.name, *std::move(made));
        return {};
      }
      break;
    case Layout::kVector:
      if (plain.shape.size() == 2 && plain.shape[0] == 1) plain.shape.erase(plain.shape.begin());
      break;
    case Layout::kTaps:
      if (plain.shape.size() != 1 && !drop_single_channel(plain)) return wrong_shape(stored_name);
      emit(mapped.name, as_floats(std::move(plain), 0));
      return {};
    case Layout::kNorm: emit(mapped.name, as_floats(std::move(plain), added)); return {};
    case Layout::kQuery:
    case Layout::kKey:
      if (model_.type->pairs_together) {
        auto ordered = heads_of(std::move(plain), mapped.layout == Layout::kQuery ? model_.heads : model_.kv_heads, stored_name);
        if (!ordered) return fail(ordered.error());
        plain = *std::move(ordered);
      }
      break;
    default: break;
  }
  emit(mapped.name, plain.shape.size() == 1 ? as_floats(std::move(plain), 0) : std::move(plain));
  return {};
}

Result<Tensor> TensorBuilder::ordered(Tensor plain, std::vector<std::int64_t> order, std::int64_t rows, const std::string& stored_name) {
  if (plain.shape[0] != rows) return wrong_shape(stored_name);
  const auto type = plain.type;
  auto shape = plain.shape;
  shape[0] = static_cast<std::int64_t>(order.size());
  return from(std::make_unique<OrderedRowsSource>(std::move(plain), std::move(order)), type, std::move(shape));
}

Result<Tensor> TensorBuilder::heads_of(Tensor plain, std::int64_t heads, const std::string& stored_name) {
  const auto head_rows = model_.head_dim;
  if (head_rows % 2 != 0 || plain.shape[0] / head_rows != heads || plain.shape[0] % head_rows != 0) return wrong_shape(stored_name);
  auto type = plain.type;
  auto shape = plain.shape;
  return from(std::make_unique<HeadRowsSource>(std::move(plain), HeadRows{.heads = heads, .head_rows = head_rows, .pairs_apart = true}),
              type, std::move(shape));
}

// InternLM 2: for each head of keys, the heads of queries that see it, its keys, its values.
Result<void> TensorBuilder::split_in_turn(const MappedName& mapped, const Tensor& plain, const std::string& stored_name) {
  const auto d = model_.head_dim, groups = model_.kv_heads;
  const auto of_group = model_.heads / groups;
  const auto every = (of_group + 2) * d;
  if (model_.heads % groups != 0 || d % 2 != 0 || plain.shape[0] / every != groups || plain.shape[0] % every != 0)
    return wrong_shape(stored_name);
  const bool together = model_.type->pairs_together;
  const std::pair<std::string_view, HeadRows> parts[] = {
      {"attn_q", {.heads = model_.heads, .head_rows = d, .pairs_apart = together, .in_turn = of_group, .before = 0, .every = every}},
      {"attn_k", {.heads = groups, .head_rows = d, .pairs_apart = together, .in_turn = 1, .before = of_group * d, .every = every}},
      {"attn_v", {.heads = groups, .head_rows = d, .in_turn = 1, .before = (of_group + 1) * d, .every = every}}};
  for (const auto& [name, rows] : parts) {
    auto full = mapped.name;
    full.replace(full.find("attn_qkv"), std::string_view("attn_qkv").size(), name);
    auto shape = plain.shape;
    shape[0] = rows.heads * d;
    auto part = from(std::make_unique<HeadRowsSource>(plain, rows), plain.type, std::move(shape));
    emit(full, part.shape.size() == 1 ? as_floats(std::move(part), 0) : std::move(part));
  }
  return {};
}

// DeepSeek: for each head the rows that make its key, which GGUF has transposed, then those that make its value.
Result<void> TensorBuilder::split_keys_and_values(const MappedName& mapped, const Tensor& plain, const std::string& stored_name) {
  const auto [key_dim, value_dim] = model_.latent;
  const auto heads = model_.heads, every = key_dim + value_dim;
  if (key_dim == 0) return unknown(stored_name);
  if (plain.shape.size() != 2 || plain.shape[0] / every != heads || plain.shape[0] % every != 0) return wrong_shape(stored_name);
  const auto latent = plain.shape[1];
  const auto part = [&](std::int64_t before, std::int64_t rows) {
    auto source = std::make_unique<HeadRowsSource>(
        plain, HeadRows{.heads = heads, .head_rows = rows, .in_turn = 1, .before = before, .every = every});
    return from(std::move(source), plain.type, {heads, rows, latent});
  };
  emit(mapped.name, turned(part(0, key_dim)));
  auto name = mapped.name;
  name.replace(name.find("attn_k_b"), std::string_view("attn_k_b").size(), "attn_v_b");
  emit(std::move(name), part(key_dim, value_dim));
  return {};
}

Tensor TensorBuilder::turned(Tensor stack) {
  const auto count = stack.shape[0], rows = stack.shape[1], columns = stack.shape[2];
  stack.shape = {count * rows, columns};
  auto source = std::make_unique<TransposedSource>(std::move(stack), rows);
  const auto type = source->type();
  return from(std::move(source), type, {count, columns, rows});
}

// Rows of each expert for its gate, and as many for what the gate opens: those after one another, or in turn. Also of a matrix alone.
Result<void> TensorBuilder::split_gate_and_up(const MappedName& mapped, Tensor plain, const std::string& stored_name) {
  auto shape = plain.shape;
  const bool stack = mapped.name.contains("_exps");
  if (shape.size() < 2) return wrong_shape(stored_name);
  const auto experts = stack ? shape[0] : 1;
  auto& both = shape[stack ? 1 : 0];
  if (both % 2 != 0) return wrong_shape(stored_name);
  const auto rows = both /= 2;
  if (stack) {
    plain.shape.erase(plain.shape.begin());
    plain.shape[0] *= experts;
  }
  for (const std::int64_t part : {0, 1}) {
    std::unique_ptr<const Source> source;
    if (mapped.layout == Layout::kGateAndUp) {
      source = std::make_unique<AlternateRowsSource>(plain, static_cast<std::uint64_t>(part));
    } else {
      const HeadRows halves{.heads = experts, .head_rows = rows, .in_turn = 1, .before = part * rows, .every = 2 * rows};
      source = std::make_unique<HeadRowsSource>(plain, halves);
    }
    auto name = mapped.name;
    if (part == 1) name.replace(name.find("gate"), std::string_view("gate").size(), "up");
    emit(std::move(name), from(std::move(source), plain.type, shape));
  }
  return {};
}

Result<void> TensorBuilder::build_stacks() {
  for (auto& [name, parts] : stacks_) {
    std::vector<Tensor> stacked;
    for (auto& [number, part] : parts) {
      const bool fits = stacked.empty() || (part.shape == stacked[0].shape && part.type == stacked[0].type);
      if (std::cmp_not_equal(number, stacked.size()) || !fits)
        return damaged(folder_, "the tensors that make " + name + " are not all there, or not of one shape and type");
      stacked.push_back(std::move(part));
    }
    std::vector<std::int64_t> shape = stacked[0].shape;
    shape.insert(shape.begin(), static_cast<std::int64_t>(stacked.size()));
    const auto type = stacked[0].type;
    emit(name, from(std::make_unique<StackedSource>(std::move(stacked)), type, std::move(shape)));
  }
  return {};
}

Tensor TensorBuilder::as_floats(Tensor base, float added) {
  auto shape = base.shape;
  return from(std::make_unique<FloatSource>(std::move(base), added), quant::Type::kF32, std::move(shape));
}

Tensor TensorBuilder::from(std::unique_ptr<const Source> source, quant::Type type, std::vector<std::int64_t> shape) {
  const auto& kept = built_.sources.emplace_back(std::move(source));
  return {.type = type, .shape = std::move(shape), .bytes = kept->size(), .source = kept.get()};
}

void TensorBuilder::emit(std::string name, Tensor tensor) {
  tensor.name = built_.names.emplace_back(std::move(name));
  built_.tensors.push_back(std::move(tensor));
}

void TensorBuilder::emit(std::string name, const std::vector<float>& values) {
  if (values.empty()) return;
  emit(std::move(name), from(std::make_unique<ValuesSource>(values), quant::Type::kF32, {static_cast<std::int64_t>(values.size())}));
}

std::unexpected<Error> TensorBuilder::unknown(const std::string& stored_name) const {
  return fail(ErrorCode::kUnsupported, "MLXR does not know the tensor " + printable(stored_name) + " in models of the type " +
                                           std::string(model_.type->name) + ", so it does not run the model.");
}

std::unexpected<Error> TensorBuilder::wrong_shape(const std::string& stored_name) const {
  return damaged(folder_, "the shape of tensor " + printable(stored_name) + " is not that which its config.json describes");
}

}  // namespace mlxr::formats
