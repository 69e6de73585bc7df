#include "core/formats/folder/names.h"

#include <algorithm>
#include <charconv>
#include <iterator>

namespace mlxr::formats {
namespace {

// "{}" is a number: that of the layer, then that of the part of a stacked tensor; of the part alone where `gguf` has none.
struct Row {
  std::string_view folder, gguf;
  Layout layout = Layout::kAsItIs;
  bool whole = false;  // GGUF's name has no last part
};

constexpr std::int64_t kMostFurtherLayers = 64;

constexpr std::string_view kAttentionNorm = "layers.{}.post_attention_layernorm";
// Granite 4's feed-forward part that all tokens take, which is the only one where there are no experts.
constexpr std::pair<std::string_view, std::string_view> kSharedInput = {"layers.{}.shared_mlp.input_linear", "blk.{}.ffn_gate"};
constexpr std::pair<std::string_view, std::string_view> kSharedOutput = {"layers.{}.shared_mlp.output_linear", "blk.{}.ffn_down"};

constexpr Row kRows[] = {
    {"embed_tokens", "token_embd"},
    {"norm", "output_norm", Layout::kNorm},
    {"lm_head", "output"},
    {"layers.{}.input_layernorm", "blk.{}.attn_norm", Layout::kNorm},
    {"layers.{}.self_attn.q_proj", "blk.{}.attn_q", Layout::kQuery},
    {"layers.{}.self_attn.k_proj", "blk.{}.attn_k", Layout::kKey},
    {"layers.{}.self_attn.v_proj", "blk.{}.attn_v"},
    {"layers.{}.self_attn.qkv_proj", "blk.{}.attn_qkv"},
    {"layers.{}.self_attn.o_proj", "blk.{}.attn_output"},
    {"layers.{}.self_attn.q_norm", "blk.{}.attn_q_norm", Layout::kNorm},
    {"layers.{}.self_attn.k_norm", "blk.{}.attn_k_norm", Layout::kNorm},
    {"layers.{}.self_attn.q_layernorm.norms.{}", "blk.{}.attn_q_norm", Layout::kStacked},
    {"layers.{}.self_attn.k_layernorm.norms.{}", "blk.{}.attn_k_norm", Layout::kStacked},
    {"layers.{}.pre_feedforward_layernorm", "blk.{}.ffn_norm", Layout::kNorm},
    {"layers.{}.mlp.gate_proj", "blk.{}.ffn_gate"},
    {"layers.{}.mlp.up_proj", "blk.{}.ffn_up"},
    {"layers.{}.mlp.gate_up_proj", "blk.{}.ffn_up"},
    {"layers.{}.mlp.down_proj", "blk.{}.ffn_down"},
    {"layers.{}.post_feedforward_layernorm", "blk.{}.post_ffw_norm", Layout::kNorm},
    // Experts: of Qwen and GLM, one by one and as mlx-lm stacks them
    {"layers.{}.mlp.gate", "blk.{}.ffn_gate_inp"},
    {"layers.{}.mlp.gate.e_score_correction", "blk.{}.exp_probs_b"},
    {"layers.{}.mlp.experts.{}.gate_proj", "blk.{}.ffn_gate_exps", Layout::kExpert},
    {"layers.{}.mlp.experts.{}.up_proj", "blk.{}.ffn_up_exps", Layout::kExpert},
    {"layers.{}.mlp.experts.{}.down_proj", "blk.{}.ffn_down_exps", Layout::kExpert},
    {"layers.{}.mlp.switch_mlp.gate_proj", "blk.{}.ffn_gate_exps", Layout::kExperts},
    {"layers.{}.mlp.switch_mlp.up_proj", "blk.{}.ffn_up_exps", Layout::kExperts},
    {"layers.{}.mlp.switch_mlp.down_proj", "blk.{}.ffn_down_exps", Layout::kExperts},
    {"layers.{}.mlp.shared_expert_gate", "blk.{}.ffn_gate_inp_shexp", Layout::kVector},
    {"layers.{}.mlp.shared_expert.gate_proj", "blk.{}.ffn_gate_shexp"},
    {"layers.{}.mlp.shared_expert.up_proj", "blk.{}.ffn_up_shexp"},
    {"layers.{}.mlp.shared_expert.down_proj", "blk.{}.ffn_down_shexp"},
    {"layers.{}.mlp.shared_experts.gate_proj", "blk.{}.ffn_gate_shexp"},
    {"layers.{}.mlp.shared_experts.up_proj", "blk.{}.ffn_up_shexp"},
    {"layers.{}.mlp.shared_experts.down_proj", "blk.{}.ffn_down_shexp"},
    // Mixtral and Granite
    {"layers.{}.block_sparse_moe.gate", "blk.{}.ffn_gate_inp"},
    {"layers.{}.block_sparse_moe.router.layer", "blk.{}.ffn_gate_inp"},
    {"layers.{}.block_sparse_moe.experts.{}.w1", "blk.{}.ffn_gate_exps", Layout::kExpert},
    {"layers.{}.block_sparse_moe.experts.{}.w3", "blk.{}.ffn_up_exps", Layout::kExpert},
    {"layers.{}.block_sparse_moe.experts.{}.w2", "blk.{}.ffn_down_exps", Layout::kExpert},
    {"layers.{}.block_sparse_moe.switch_mlp.gate_proj", "blk.{}.ffn_gate_exps", Layout::kExperts},
    {"layers.{}.block_sparse_moe.switch_mlp.up_proj", "blk.{}.ffn_up_exps", Layout::kExperts},
    {"layers.{}.block_sparse_moe.switch_mlp.down_proj", "blk.{}.ffn_down_exps", Layout::kExperts},
    {"layers.{}.block_sparse_moe.input_linear", "blk.{}.ffn_gate_exps", Layout::kGateThenUp},
    {"layers.{}.block_sparse_moe.output_linear", "blk.{}.ffn_down_exps", Layout::kExperts},
    // gpt-oss
    {"layers.{}.self_attn.sinks", "blk.{}.attn_sinks"},
    {"layers.{}.mlp.router", "blk.{}.ffn_gate_inp"},
    {"layers.{}.mlp.experts.gate_up_proj", "blk.{}.ffn_gate_exps", Layout::kGateAndUp},
    {"layers.{}.mlp.experts.gate_proj", "blk.{}.ffn_gate_exps", Layout::kExperts},
    {"layers.{}.mlp.experts.up_proj", "blk.{}.ffn_up_exps", Layout::kExperts},
    {"layers.{}.mlp.experts.down_proj", "blk.{}.ffn_down_exps", Layout::kExperts},
    // GLM 4
    {"layers.{}.post_self_attn_layernorm", "blk.{}.post_attention_norm", Layout::kNorm},
    {"layers.{}.post_mlp_layernorm", "blk.{}.post_ffw_norm", Layout::kNorm},
    // StarCoder2
    {"layers.{}.mlp.c_fc", "blk.{}.ffn_up"},
    {"layers.{}.mlp.c_proj", "blk.{}.ffn_down"},
    // InternLM 2
    {"tok_embeddings", "token_embd"},
    {"output", "output"},
    {"layers.{}.attention_norm", "blk.{}.attn_norm", Layout::kNorm},
    {"layers.{}.attention.wqkv", "blk.{}.attn_qkv", Layout::kFusedInTurn},
    {"layers.{}.attention.wo", "blk.{}.attn_output"},
    {"layers.{}.ffn_norm", "blk.{}.ffn_norm", Layout::kNorm},
    {"layers.{}.feed_forward.w1", "blk.{}.ffn_gate"},
    {"layers.{}.feed_forward.w3", "blk.{}.ffn_up"},
    {"layers.{}.feed_forward.w2", "blk.{}.ffn_down"},
    // Qwen3-Next and Qwen3.5
    {"layers.{}.mlp.experts.fused_gate_up", "blk.{}.ffn_gate_exps", Layout::kGateThenUp},
    {"layers.{}.linear_attn.in_proj_qkvz", "blk.{}.attn_qkv", Layout::kScanInTurn},
    {"layers.{}.linear_attn.in_proj_ba", "blk.{}.ssm_ba"},
    {"layers.{}.linear_attn.in_proj_qkv", "blk.{}.attn_qkv", Layout::kScanInput},
    {"layers.{}.linear_attn.in_proj_z", "blk.{}.attn_gate", Layout::kScanGate},
    {"layers.{}.linear_attn.in_proj_b", "blk.{}.ssm_beta", Layout::kSteps},
    {"layers.{}.linear_attn.in_proj_a", "blk.{}.ssm_alpha", Layout::kSteps},
    {"layers.{}.linear_attn.conv1d", "blk.{}.ssm_conv1d", Layout::kScanTaps},
    {"layers.{}.linear_attn.A_log", "blk.{}.ssm_a", Layout::kRates, true},
    {"layers.{}.linear_attn.dt", "blk.{}.ssm_dt", Layout::kSteps},
    {"layers.{}.linear_attn.norm", "blk.{}.ssm_norm", Layout::kScanNorm},
    {"layers.{}.linear_attn.out_proj", "blk.{}.ssm_out", Layout::kScanOutput},
    // BERT and its kin
    {"embeddings.word_embeddings", "token_embd"},
    {"embeddings.position_embeddings", "position_embd", Layout::kPositions},
    {"embeddings.token_type_embeddings", "token_types"},
    {"embeddings.LayerNorm", "token_embd_norm"},
    {"encoder.layer.{}.attention.self.query", "blk.{}.attn_q"},
    {"encoder.layer.{}.attention.self.key", "blk.{}.attn_k"},
    {"encoder.layer.{}.attention.self.value", "blk.{}.attn_v"},
    {"encoder.layer.{}.attention.output.dense", "blk.{}.attn_output"},
    {"encoder.layer.{}.attention.output.LayerNorm", "blk.{}.attn_output_norm"},
    {"encoder.layer.{}.intermediate.dense", "blk.{}.ffn_up"},
    {"encoder.layer.{}.output.dense", "blk.{}.ffn_down"},
    {"encoder.layer.{}.output.LayerNorm", "blk.{}.layer_output_norm"},
    {"pooler.dense", "cls"},
    {"classifier", "cls.output"},
    {"classifier.dense", "cls"},
    {"classifier.out_proj", "cls.output"},
    // ModernBERT
    {"embeddings.tok_embeddings", "token_embd"},
    {"embeddings.norm", "token_embd_norm", Layout::kNorm},
    {"layers.{}.attn_norm", "blk.{}.attn_norm", Layout::kNorm},
    {"layers.{}.attn.Wqkv", "blk.{}.attn_qkv"},
    {"layers.{}.attn.Wo", "blk.{}.attn_output"},
    {"layers.{}.mlp_norm", "blk.{}.ffn_norm", Layout::kNorm},
    {"layers.{}.mlp.Wi", "blk.{}.ffn_up"},
    {"layers.{}.mlp.Wo", "blk.{}.ffn_down"},
    {"final_norm", "output_norm", Layout::kNorm},
    {"head.dense", "cls"},
    {"head.norm", "cls.norm", Layout::kNorm},
    // Nomic Embed
    {"emb_ln", "token_embd_norm", Layout::kNorm},
    {"encoder.layers.{}.attn.Wqkv", "blk.{}.attn_qkv"},
    {"encoder.layers.{}.attn.out_proj", "blk.{}.attn_output"},
    {"encoder.layers.{}.norm1", "blk.{}.attn_output_norm", Layout::kNorm},
    {"encoder.layers.{}.mlp.fc11", "blk.{}.ffn_up"},
    {"encoder.layers.{}.mlp.fc12", "blk.{}.ffn_gate"},
    {"encoder.layers.{}.mlp.fc2", "blk.{}.ffn_down"},
    {"encoder.layers.{}.norm2", "blk.{}.layer_output_norm", Layout::kNorm},
    // Layers behind the pooling, of sentence-transformers and as mlx-embeddings names them
    {"2_Dense.linear", "dense_2"},
    {"3_Dense.linear", "dense_3"},
    {"dense.0", "dense_2"},
    {"dense.1", "dense_3"},
    // Granite 4
    {"layers.{}.mamba.in_proj", "blk.{}.ssm_in"},
    {"layers.{}.mamba.conv1d", "blk.{}.ssm_conv1d", Layout::kTaps},
    {"layers.{}.mamba.A_log", "blk.{}.ssm_a", Layout::kRates, true},
    {"layers.{}.mamba.D", "blk.{}.ssm_d", Layout::kScanSkip, true},
    {"layers.{}.mamba.dt", "blk.{}.ssm_dt", Layout::kSteps},
    {"layers.{}.mamba.norm", "blk.{}.ssm_norm", Layout::kScanNorm},
    {"layers.{}.mamba.out_proj", "blk.{}.ssm_out"},
    // Nemotron-H
    {"embeddings", "token_embd"},
    {"norm_f", "output_norm", Layout::kNorm},
    {"layers.{}.norm", "blk.{}.attn_norm", Layout::kNorm},
    {"layers.{}.mixer.in_proj", "blk.{}.ssm_in"},
    {"layers.{}.mixer.conv1d", "blk.{}.ssm_conv1d", Layout::kTaps},
    {"layers.{}.mixer.A_log", "blk.{}.ssm_a", Layout::kRates, true},
    {"layers.{}.mixer.D", "blk.{}.ssm_d", Layout::kScanSkip, true},
    {"layers.{}.mixer.dt", "blk.{}.ssm_dt", Layout::kSteps},
    {"layers.{}.mixer.norm", "blk.{}.ssm_norm", Layout::kScanNorm},
    {"layers.{}.mixer.out_proj", "blk.{}.ssm_out"},
    {"layers.{}.mixer.q_proj", "blk.{}.attn_q"},
    {"layers.{}.mixer.k_proj", "blk.{}.attn_k"},
    {"layers.{}.mixer.v_proj", "blk.{}.attn_v"},
    {"layers.{}.mixer.o_proj", "blk.{}.attn_output"},
    {"layers.{}.mixer.up_proj", "blk.{}.ffn_up"},
    {"layers.{}.mixer.down_proj", "blk.{}.ffn_down"},
    {"layers.{}.mixer.gate", "blk.{}.ffn_gate_inp"},
    {"layers.{}.mixer.gate.e_score_correction", "blk.{}.exp_probs_b"},
    {"layers.{}.mixer.experts.{}.up_proj", "blk.{}.ffn_up_exps", Layout::kExpert},
    {"layers.{}.mixer.experts.{}.down_proj", "blk.{}.ffn_down_exps", Layout::kExpert},
    {"layers.{}.mixer.switch_mlp.fc1", "blk.{}.ffn_up_exps", Layout::kExperts},
    {"layers.{}.mixer.switch_mlp.fc2", "blk.{}.ffn_down_exps", Layout::kExperts},
    {"layers.{}.mixer.shared_experts.up_proj", "blk.{}.ffn_up_shexp"},
    {"layers.{}.mixer.shared_experts.down_proj", "blk.{}.ffn_down_shexp"},
    // DeepSeek, as it was published and as mlx-lm divides its matrix of keys and values
    {"layers.{}.self_attn.q_a_proj", "blk.{}.attn_q_a"},
    {"layers.{}.self_attn.q_a_layernorm", "blk.{}.attn_q_a_norm", Layout::kNorm},
    {"layers.{}.self_attn.q_b_proj", "blk.{}.attn_q_b"},
    {"layers.{}.self_attn.kv_a_proj_with_mqa", "blk.{}.attn_kv_a_mqa"},
    {"layers.{}.self_attn.kv_a_layernorm", "blk.{}.attn_kv_a_norm", Layout::kNorm},
    {"layers.{}.self_attn.kv_b_proj", "blk.{}.attn_k_b", Layout::kKeysThenValues},
    {"layers.{}.self_attn.embed_q", "blk.{}.attn_k_b", Layout::kExperts},
    {"layers.{}.self_attn.unembed_out", "blk.{}.attn_v_b", Layout::kExperts},
    // Gemma 3n
    {"altup_projections.{}", "altup_proj", Layout::kExpert},
    {"altup_unembed_projections.{}", "altup_unembd_proj", Layout::kExpert},
    {"layers.{}.altup.router_norm", "blk.{}.altup_router_norm", Layout::kNorm},
    {"layers.{}.altup.modality_router", "blk.{}.altup_router"},
    {"layers.{}.altup.prediction_coefs", "blk.{}.altup_predict_coef"},
    {"layers.{}.altup.correction_coefs", "blk.{}.altup_correct_coef"},
    {"layers.{}.altup.correct_output_scale", "blk.{}.altup_correct_scale"},
    {"layers.{}.laurel.linear_left", "blk.{}.laurel_l"},
    {"layers.{}.laurel.linear_right", "blk.{}.laurel_r"},
    {"layers.{}.laurel.post_laurel_norm", "blk.{}.laurel_post_norm", Layout::kNorm},
    // Gemma 4, and some of Gemma 3n
    {"embed_tokens_per_layer", "per_layer_token_embd", Layout::kInputTable},
    {"per_layer_model_projection", "per_layer_model_proj"},
    {"per_layer_projection_norm", "per_layer_proj_norm", Layout::kNorm},
    {"layers.{}.per_layer_input_gate", "blk.{}.inp_gate"},
    {"layers.{}.per_layer_projection", "blk.{}.proj"},
    {"layers.{}.post_per_layer_input_norm", "blk.{}.post_norm", Layout::kNorm},
    {"layers.{}.layer_scalar", "blk.{}.layer_output_scale"},
    {"layers.{}.router.proj", "blk.{}.ffn_gate_inp"},
    {"layers.{}.router.scale", "blk.{}.ffn_gate_inp.scale", Layout::kAsItIs, true},
    {"layers.{}.router.per_expert_scale", "blk.{}.ffn_down_exps.scale", Layout::kAsItIs, true},
    {"layers.{}.experts.fused_gate_up", "blk.{}.ffn_gate_exps", Layout::kGateThenUp},
    {"layers.{}.experts.down_proj", "blk.{}.ffn_down_exps", Layout::kExperts},
    {"layers.{}.experts.switch_glu.gate_proj", "blk.{}.ffn_gate_exps", Layout::kExperts},
    {"layers.{}.experts.switch_glu.up_proj", "blk.{}.ffn_up_exps", Layout::kExperts},
    {"layers.{}.experts.switch_glu.down_proj", "blk.{}.ffn_down_exps", Layout::kExperts},
    {"layers.{}.post_feedforward_layernorm_1", "blk.{}.post_ffw_norm_1", Layout::kNorm},
    {"layers.{}.pre_feedforward_layernorm_2", "blk.{}.pre_ffw_norm_2", Layout::kNorm},
    {"layers.{}.post_feedforward_layernorm_2", "blk.{}.post_ffw_norm_2", Layout::kNorm},
    // LFM 2, whose feed-forward parts have the names of InternLM 2, or those that mlx-lm gives to them
    {"embedding_norm", "token_embd_norm", Layout::kNorm},
    {"layers.{}.operator_norm", "blk.{}.attn_norm", Layout::kNorm},
    {"layers.{}.conv.in_proj", "blk.{}.shortconv.in_proj"},
    {"layers.{}.conv.conv", "blk.{}.shortconv.conv", Layout::kTaps},
    {"layers.{}.conv.out_proj", "blk.{}.shortconv.out_proj"},
    {"layers.{}.self_attn.out_proj", "blk.{}.attn_output"},
    {"layers.{}.self_attn.q_layernorm", "blk.{}.attn_q_norm", Layout::kNorm},
    {"layers.{}.self_attn.k_layernorm", "blk.{}.attn_k_norm", Layout::kNorm},
    {"layers.{}.feed_forward.gate_proj", "blk.{}.ffn_gate"},
    {"layers.{}.feed_forward.up_proj", "blk.{}.ffn_up"},
    {"layers.{}.feed_forward.down_proj", "blk.{}.ffn_down"},
    {"layers.{}.feed_forward.gate", "blk.{}.ffn_gate_inp"},
    {"layers.{}.feed_forward.expert_selection", "blk.{}.exp_probs_b"},
    {"layers.{}.feed_forward.experts.{}.w1", "blk.{}.ffn_gate_exps", Layout::kExpert},
    {"layers.{}.feed_forward.experts.{}.w3", "blk.{}.ffn_up_exps", Layout::kExpert},
    {"layers.{}.feed_forward.experts.{}.w2", "blk.{}.ffn_down_exps", Layout::kExpert},
    {"layers.{}.feed_forward.switch_mlp.gate_proj", "blk.{}.ffn_gate_exps", Layout::kExperts},
    {"layers.{}.feed_forward.switch_mlp.up_proj", "blk.{}.ffn_up_exps", Layout::kExperts},
    {"layers.{}.feed_forward.switch_mlp.down_proj", "blk.{}.ffn_down_exps", Layout::kExperts},
};

// The numbers at the places of "{}" in a pattern. False when the text does not match.
bool match(std::string_view text, std::string_view pattern, std::array<std::int64_t, 2>& numbers) {
  std::size_t next = 0;
  while (true) {
    const auto hole = pattern.find("{}");
    if (hole == pattern.npos) return text == pattern;
    if (!text.starts_with(pattern.substr(0, hole)) || next == numbers.size()) return false;
    text.remove_prefix(hole);
    pattern.remove_prefix(hole + 2);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), numbers[next]);
    const auto length = static_cast<std::size_t>(end - text.data());
    if (error != std::errc() || numbers[next] < 0 || std::to_string(numbers[next]).size() != length) return false;  // no "007"
    text.remove_prefix(length);
    ++next;
  }
}

std::string_view without_prefixes(std::string_view name, const ModelConfig& model) {
  const auto strip = [&](std::string_view prefix) {
    if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
  };
  if (model.type->encoder) {
    strip("bert.");
    strip("roberta.");
  }
  if (model.wrapped) {
    strip("model.language_model.");
    strip("language_model.");
  }
  strip("model.");
  strip("backbone.");
  return name;
}

}  // namespace

std::string with_last_part(std::string_view name) {
  constexpr std::pair<std::string_view, std::string_view> kEnds[] = {
      {".self_attn.sinks", ".self_attn.sinks.weight"},
      {".gate.e_score_correction_bias", ".gate.e_score_correction.bias"},
      {".feed_forward.expert_bias", ".feed_forward.expert_selection.bias"},
      {".A_log", ".A_log.weight"},
      {".dt_bias", ".dt.bias"},
      {".D", ".D.weight"},
      {".layer_scalar", ".layer_scalar.weight"},
      {".correct_output_scale", ".correct_output_scale.weight"},
      {".router.scale", ".router.scale.weight"},
      {".router.per_expert_scale", ".router.per_expert_scale.weight"},
      {".experts.gate_up_proj", ".experts.fused_gate_up.weight"},
      {".experts.down_proj", ".experts.down_proj.weight"},
      {".LayerNorm.gamma", ".LayerNorm.weight"},
      {".LayerNorm.beta", ".LayerNorm.bias"},
      {"_proj_blocks", "_proj.blocks"},
      {"_proj_scales", "_proj.scales"},
      {"_proj_bias", "_proj.bias"},
  };
  for (const auto& [end, full] : kEnds) {
    if (name.ends_with(end)) return std::string(name.substr(0, name.size() - end.size())) + std::string(full);
  }
  return std::string(name);
}

std::optional<MappedName> map_name(std::string_view stem, std::string_view suffix, const ModelConfig& model) {
  const auto name = without_prefixes(stem, model);
  std::array<std::int64_t, 2> numbers = {-1, 0};
  const auto named = [&](std::string_view gguf, Layout layout, std::string_view last) {
    std::string full(gguf);
    const auto hole = full.find("{}");
    if (hole == full.npos) return MappedName{full + std::string(last), layout, -1, std::max<std::int64_t>(numbers[0], 0)};
    full.replace(hole, 2, std::to_string(numbers[0]));
    return MappedName{full + std::string(last), layout, numbers[0], numbers[1]};
  };
  if (match(name, kAttentionNorm, numbers))
    return named(model.type->post_attention_norm_is_own ? "blk.{}.post_attention_norm" : "blk.{}.ffn_norm", Layout::kNorm, suffix);
  const auto shared = std::string(model.experts > 0 ? "_shexp" : "") + std::string(suffix);
  if (match(name, kSharedInput.first, numbers)) return named(kSharedInput.second, Layout::kGateThenUp, shared);
  if (match(name, kSharedOutput.first, numbers)) return named(kSharedOutput.second, Layout::kAsItIs, shared);
  // gpt-oss has other stacks of experts under the name of those of Qwen3.5.
  if (model.type->architecture == "gpt-oss" && name.ends_with(".experts.fused_gate_up")) return std::nullopt;
  if (model.type->turned_experts) {
    if (match(name, "layers.{}.mlp.experts.fused_gate_up", numbers))
      return named("blk.{}.ffn_gate_exps", Layout::kGateThenUpTurned, suffix);
    if (match(name, "layers.{}.mlp.experts.down_proj", numbers)) return named("blk.{}.ffn_down_exps", Layout::kExpertsTurned, suffix);
  }
  for (const auto& row : kRows) {
    if (match(name, row.folder, numbers)) return named(row.gguf, row.layout, row.whole ? "" : suffix);
  }
  return std::nullopt;
}

bool is_left_out(std::string_view name, const ModelConfig& model) {
  if (name.ends_with(".rotary_emb.inv_freq") || name.ends_with(".rope.inv_freq")) return true;
  const auto plain = without_prefixes(name, model);
  if (model.type->encoder) {  // tables that are counted, heads of training, and what only a score is made of
    const auto is_of = [&](std::string_view module) { return plain.starts_with(module); };
    if (plain == "embeddings.position_ids" || is_of("cls.") || is_of("lm_head.") || is_of("decoder.")) return true;
    return !model.scores && (is_of("pooler.") || is_of("head."));
  }
  for (std::int64_t further = 0; further < std::min(model.further_layers, kMostFurtherLayers); ++further) {
    if (plain.starts_with("layers." + std::to_string(model.layers + further) + ".")) return true;
  }
  if (model.tied && (plain.starts_with("lm_head.") || plain.starts_with("output."))) return true;
  if (model.type->recurrence != Recurrence::kNone && plain.starts_with("mtp.")) return true;  // predicts further tokens
  // Layers that read the keys and values of others may have matrices for their own, which are those of training.
  std::array<std::int64_t, 2> numbers = {-1, 0};
  const auto module = plain.substr(0, std::min(plain.rfind('.'), plain.size()));
  for (const auto unused : {"layers.{}.self_attn.k_proj", "layers.{}.self_attn.v_proj", "layers.{}.self_attn.k_norm"}) {
    if (match(module, unused, numbers) && std::cmp_less(numbers[0], model.own.size()) &&
        !model.own[static_cast<std::size_t>(numbers[0])].keys)
      return true;
  }
  constexpr std::string_view kOtherSenses[] = {"vision_tower.", "visual.",      "multi_modal_projector.", "audio_tower.",
                                               "embed_vision.", "embed_audio.", "vision_embedder."};
  return model.wrapped && std::ranges::any_of(kOtherSenses, [&](std::string_view part) { return plain.starts_with(part); });
}

}  // namespace mlxr::formats
