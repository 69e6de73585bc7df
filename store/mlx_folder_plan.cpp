#include "store/mlx_folder_plan.h"

#include <algorithm>
#include <utility>

#include "core/formats/folder/mlx_encoder.h"

namespace mlxr::store {
namespace {

using formats::Layout;
using formats::Tensor;

formats::Dtype dtype_of(quant::Type type) {
  if (type == quant::Type::kF32) return formats::Dtype::kF32;
  return type == quant::Type::kF16 ? formats::Dtype::kF16 : formats::Dtype::kBF16;
}

std::string before_last(std::string_view name, std::string_view part) { return std::string(name.substr(0, name.rfind(part))); }

}  // namespace

std::uint64_t MlxTensorPlan::bytes() const {
  std::uint64_t sum = 0;
  for (const auto& tensor : made) sum += tensor.bytes;
  return sum;
}

bool MlxFolderPlanner::add(const formats::StoredSource& stored) {
  const auto& tensor = stored.tensor;
  if (formats::is_left_out(tensor.name, model_)) return true;
  const auto type = formats::float_type(tensor.dtype);
  if (!type) return false;
  const auto full = formats::with_last_part(tensor.name);
  const auto dot = std::min(full.rfind('.'), full.size());
  const auto stem = full.substr(0, dot), end = full.substr(dot);
  const auto mapped = formats::map_name(stem, end, model_);
  const auto layout = mapped ? mapped->layout : Layout::kAsItIs;
  const auto layer = mapped ? "blk." + std::to_string(mapped->layer) + "." : std::string();
  // mlx-lm's stacks of experts have names of their own.
  const bool other_stack = layout == Layout::kExperts && (stem.ends_with(".output_linear") || full != tensor.name);
  const bool experts = mapped && mapped->name.contains("_exps.");
  if ((layout == Layout::kExpert && experts) || layout == Layout::kExpertsTurned || layout == Layout::kGateThenUpTurned || other_stack ||
      (layout == Layout::kGateThenUp && experts)) {
    add_experts(*mapped, stem);
    return true;
  }
  const auto name = renamed(tensor.name), module = renamed(stem);
  if (layout == Layout::kKeysThenValues && model_.type->name != "deepseek_v2") {
    const auto attention = before_last(module, "kv_b_proj");
    add_from_gguf(layer + "attn_k_b", attention + "embed_q");
    add_from_gguf(layer + "attn_v_b", attention + "unembed_out");
    return true;
  }
  if (module.contains(".shared_mlp.") && model_.experts == 0) {  // Granite 4
    const auto block = before_last(module, "shared_mlp");
    for (const auto& [gguf, part] : {std::pair("ffn_gate", "gate_proj"), {"ffn_up", "up_proj"}, {"ffn_down", "down_proj"}})
      add_from_gguf(layer + gguf, block + "mlp." + part);
    return true;
  }
  // Models of the gated delta rule may have norms less 1, which mlx-lm knows by other tensors that it does not find here.
  if (layout == Layout::kNorm && model_.type->recurrence == formats::Recurrence::kDeltaRule) {
    add(*checkpoint_.find(mapped->name), "", name);
    return true;
  }
  Tensor source{.type = *type, .shape = tensor.shape, .offset = tensor.offset, .bytes = tensor.bytes, .source = stored.file};
  const bool taps = (layout == Layout::kTaps || layout == Layout::kScanTaps) && source.shape.size() == 3;
  if (taps && source.shape[1] == 1) std::swap(source.shape[1], source.shape[2]);
  // A router decides by small differences, and mlx-lm does not pack all of them.
  const bool is_router = mapped && mapped->name.contains(".ffn_gate_inp");
  const bool is_vector = layout == Layout::kNorm || layout == Layout::kStacked || layout == Layout::kVector;
  const bool is_matrix = source.shape.size() >= 2 && end == ".weight" && !is_router && !is_vector && !taps;
  add(source, is_matrix ? module : "", name);
  return true;
}

void MlxFolderPlanner::add_experts(const formats::MappedName& mapped, const std::string& stem) {
  struct Part {
    std::string_view gguf, module;
  };
  constexpr Part kGated[] = {{"ffn_gate_exps", "gate_proj"}, {"ffn_up_exps", "up_proj"}, {"ffn_down_exps", "down_proj"}};
  constexpr Part kPlain[] = {{"ffn_up_exps", "fc1"}, {"ffn_down_exps", "fc2"}};
  const auto stack = stem.find(".experts.");
  auto module = renamed(stem.substr(0, stack == stem.npos ? stem.rfind('.') : stack));
  module += model_.type->layer_shapes ? ".experts.switch_glu." : ".switch_mlp.";
  const bool plain = model_.type->name == "nemotron_h";
  for (const auto& part : plain ? std::span<const Part>(kPlain) : kGated) {
    const bool both = mapped.layout == Layout::kGateThenUp || mapped.layout == Layout::kGateThenUpTurned;
    if (both ? part.gguf == "ffn_down_exps" : !mapped.name.contains(part.gguf)) continue;
    add_from_gguf("blk." + std::to_string(mapped.layer) + "." + std::string(part.gguf), module + std::string(part.module));
  }
}

void MlxFolderPlanner::add_from_gguf(const std::string& gguf, const std::string& module) {
  const auto* tensor = checkpoint_.find(gguf + ".weight");
  if (tensor != nullptr && from_gguf_.insert(gguf).second) add(*tensor, module, module + ".weight");
}

void MlxFolderPlanner::add(const Tensor& source, const std::string& module, const std::string& name) {
  MlxTensorPlan plan{.source = source, .dtype = dtype_of(source.type)};
  if (!module.empty() && source.shape.back() % packing_.group == 0) {
    const formats::MlxEncoder encoder(packing_, plan.columns(), plan.dtype);
    const auto part = [&](std::string_view end, formats::Dtype dtype, std::size_t columns, std::size_t row_bytes) {
      auto shape = source.shape;
      shape.back() = static_cast<std::int64_t>(columns);
      plan.made.push_back({.name = module + std::string(end), .dtype = dtype, .shape = std::move(shape), .bytes = plan.rows() * row_bytes});
    };
    const auto groups = plan.columns() / static_cast<std::size_t>(packing_.group);
    part(".weight", formats::Dtype::kU32, encoder.bits_bytes() / 4, encoder.bits_bytes());
    part(".scales", encoder.scales_type(), groups, encoder.scales_bytes());
    if (encoder.biases_bytes() > 0) part(".biases", encoder.scales_type(), groups, encoder.biases_bytes());
  } else {
    plan.made.push_back({.name = name, .dtype = plan.dtype, .shape = source.shape, .bytes = source.bytes});
    left_ += !module.empty();
  }
  plans_.push_back(std::move(plan));
}

std::string MlxFolderPlanner::renamed(std::string_view name) const {
  std::string result(name);
  if (model_.wrapped && !model_.type->streams) {  // mlx-lm has the publisher's names for Gemma 3n
    auto plain = name;
    for (const std::string_view prefix : {"model.language_model.", "language_model.", "model."})
      if (plain.starts_with(prefix)) plain.remove_prefix(prefix.size());
    result = std::string(plain.starts_with("lm_head") ? "language_model." : "language_model.model.") + std::string(plain);
  }
  if (model_.type->name != "lfm2_moe") return result;
  for (const auto& [older, newer] : {std::pair(".feed_forward.w1", ".feed_forward.gate_proj"),
                                     {".feed_forward.w2", ".feed_forward.down_proj"},
                                     {".feed_forward.w3", ".feed_forward.up_proj"}}) {
    if (const auto at = result.find(older); at != result.npos) result.replace(at, std::string_view(older).size(), newer);
  }
  return result;
}

}  // namespace mlxr::store
