#include "core/formats/folder/recurrent_config.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "core/formats/printable.h"

namespace mlxr::formats {
namespace {

constexpr std::int64_t kMaxLayers = 4096, kMaxHeads = 1 << 12, kMaxDim = 1 << 24, kMaxScan = 1 << 20;

class RecurrenceReader {
 public:
  RecurrenceReader(ConfigReader& config, const std::string& prefix, OwnedMetadata& metadata, ModelConfig& model)
      : type_(*model.type), config_(config), prefix_(prefix), metadata_(metadata), model_(model), scan_(model.scan) {}

  void read() {
    switch (type_.recurrence) {
      case Recurrence::kNone: break;
      case Recurrence::kConvolution: read_convolutions(); break;
      case Recurrence::kDeltaRule: read_delta_rule(); break;
      case Recurrence::kMamba2: type_.name == "nemotron_h" ? read_single_parts() : read_mamba(); break;
    }
  }

 private:
  void add(std::string_view key, Value value) { metadata_.add(prefix_ + std::string(key), std::move(value)); }

  // LFM2. GGUF knows its convolutions by their lack of KV heads.
  void read_convolutions() {
    const auto layers = config_.count("num_hidden_layers", kMaxLayers), kv_heads = config_.count("num_key_value_heads");
    const auto attention = read_attention_layers(layers);
    std::vector<std::int64_t> of_layers;
    for (const bool attends : attention) of_layers.push_back(attends ? kv_heads : 0);
    add("attention.head_count_kv", std::move(of_layers));
    add("shortconv.l_cache", config_.count("conv_L_cache"));
    if (type_.architecture == "lfm2moe") {
      constexpr std::int64_t kSigmoid = 2;
      add("expert_gating_func", kSigmoid);
    } else {
      add("feed_forward_length", read_adjusted_width());
    }
  }

  std::vector<bool> read_attention_layers(std::int64_t layers) {
    std::vector<bool> attention(static_cast<std::size_t>(layers));
    const auto numbers = config_.numbers("full_attn_idxs");
    for (const double number : numbers) {
      if (!(number >= 0 && number < static_cast<double>(layers)) || number != std::floor(number)) {
        config_.note(ErrorCode::kCorrupt, "full_attn_idxs", "not a list of layers");
        return attention;
      }
      attention[static_cast<std::size_t>(number)] = true;
    }
    const auto* types = config_.find("layer_types");
    if (!types || !types->items() || std::cmp_not_equal(types->items()->size(), layers)) {
      if (numbers.empty()) config_.note(ErrorCode::kCorrupt, "layer_types", "not one string for each layer");
      return attention;
    }
    if (numbers.empty()) {
      for (std::size_t i = 0; i < attention.size(); ++i) {
        const auto* type = (*types->items())[i].text();
        attention[i] = type && *type == "full_attention";
      }
    }
    return attention;
  }

  // The width of LFM2's feed-forward part: two thirds of what config.json says, times a factor, rounded up.
  std::int64_t read_adjusted_width() {
    const auto own = config_.integer("block_ff_dim");
    const auto width = own ? config_.count("block_ff_dim") : config_.count("intermediate_size");
    const double factor = config_.number("block_ffn_dim_multiplier").value_or(1);
    const auto unit = config_.find("block_multiple_of") ? config_.count("block_multiple_of") : 1;
    if (!config_.boolean("block_auto_adjust_ff_dim").value_or(true)) return width;
    const double scaled = std::floor(factor * static_cast<double>(2 * width / 3));
    if (!(scaled >= 1 && scaled <= static_cast<double>(kMaxDim))) {
      config_.note(ErrorCode::kCorrupt, "block_ffn_dim_multiplier", "no factor of a model");
      return width;
    }
    return (static_cast<std::int64_t>(scaled) + unit - 1) / unit * unit;
  }

  // Qwen3-Next and Qwen3.5: every fourth layer has attention.
  void read_delta_rule() {
    const auto layers = config_.count("num_hidden_layers", kMaxLayers);
    const auto period = config_.find("full_attention_interval") ? config_.count("full_attention_interval") : 4;
    if (const auto* types = config_.find("layer_types"); types && types->items()) {
      for (std::int64_t i = 0; std::cmp_less(i, types->items()->size()) && i < layers; ++i) {
        const auto* type = (*types->items())[static_cast<std::size_t>(i)].text();
        if (type && (*type == "full_attention") != ((i + 1) % period == 0))
          config_.note(ErrorCode::kUnsupported, "layer_types", "not regular");
      }
    }
    add("full_attention_interval", period);
    // Where all layers have experts, nothing is as wide as GGUF's key for other feed-forward parts says, which it must have.
    if (!config_.find("intermediate_size")) add("feed_forward_length", config_.count("moe_intermediate_size"));
    read_scan({.key_heads = "linear_num_key_heads",
               .key_dim = "linear_key_head_dim",
               .value_heads = "linear_num_value_heads",
               .value_dim = "linear_value_head_dim",
               .taps = "linear_conv_kernel_dim"});
  }

  // What config.json calls the sizes of a scan.
  struct ScanNames {
    std::string_view key_heads, key_dim, value_heads, value_dim, taps;
  };
  void read_scan(const ScanNames& names) {
    scan_ = {.key_heads = config_.count(names.key_heads, kMaxHeads),
             .key_dim = config_.count(names.key_dim, kMaxHeads),
             .value_heads = config_.count(names.value_heads, kMaxHeads),
             .value_dim = config_.count(names.value_dim, kMaxHeads)};
    if (scan_.key_heads * scan_.key_dim > kMaxScan || scan_.value_heads * scan_.value_dim > kMaxScan) {
      config_.note(ErrorCode::kCorrupt, names.value_heads, "of a scan of more than " + std::to_string(kMaxScan) + " values");
      scan_ = {.key_heads = 1, .key_dim = 1, .value_heads = 1, .value_dim = 1};  // what follows makes lists of its rows
    }
    if (scan_.value_heads % scan_.key_heads != 0) {
      config_.note(ErrorCode::kCorrupt, names.value_heads, "no multiple of " + std::string(names.key_heads));
      scan_.key_heads = 1;
    }
    add("ssm.conv_kernel", config_.count(names.taps));
    add("ssm.state_size", scan_.key_dim);
    add("ssm.group_count", scan_.key_heads);
    add("ssm.time_step_rank", scan_.value_heads);
    add("ssm.inner_size", scan_.value_heads * scan_.value_dim);
  }

  // Granite 4: Mamba 2, or attention.
  void read_mamba() {
    const auto layers = config_.count("num_hidden_layers", kMaxLayers), kv_heads = config_.count("num_key_value_heads");
    const auto kinds = read_kinds("layer_types", {{type_.recurrent_layer, 'M'}, {"attention", '*'}});
    if (std::cmp_not_equal(kinds.size(), layers)) config_.note(ErrorCode::kCorrupt, "layer_types", "not one string for each layer");
    std::vector<std::int64_t> of_layers;
    for (const char kind : kinds) of_layers.push_back(kind == '*' ? kv_heads : 0);
    add("attention.head_count_kv", std::move(of_layers));
    read_scan({.key_heads = "mamba_n_groups",
               .key_dim = "mamba_d_state",
               .value_heads = "mamba_n_heads",
               .value_dim = "mamba_d_head",
               .taps = "mamba_d_conv"});
    check_time_steps();
  }

  // Nemotron-H: a layer has Mamba 2, or attention, or a feed-forward part, which may be of experts.
  void read_single_parts() {
    const bool experts = type_.architecture == "nemotron_h_moe";
    const auto kv_heads = config_.count("num_key_value_heads");
    const auto kinds = read_pattern();
    const auto said = config_.integer("num_hidden_layers");
    if (kinds.empty() || std::cmp_greater(kinds.size(), kMaxLayers) || (said && std::cmp_not_equal(*said, kinds.size())))
      config_.note(ErrorCode::kCorrupt, "num_hidden_layers", "not the number of layers in its pattern");
    const auto width = config_.count(experts && config_.find("moe_intermediate_size") ? "moe_intermediate_size" : "intermediate_size");
    std::vector<std::int64_t> of_layers, widths;
    for (const char kind : kinds) {
      if (kind != 'M' && kind != '*' && kind != (experts ? 'E' : '-'))
        config_.note(ErrorCode::kUnsupported, "hybrid_override_pattern", "with layers of a kind that MLXR does not run");
      of_layers.push_back(kind == '*' ? kv_heads : 0);
      widths.push_back(kind == 'E' || kind == '-' ? width : 0);
    }
    model_.layers = static_cast<std::int64_t>(kinds.size());
    add("block_count", model_.layers);
    add("attention.head_count_kv", std::move(of_layers));
    add("feed_forward_length", std::move(widths));
    read_scan({.key_heads = "n_groups",
               .key_dim = "ssm_state_size",
               .value_heads = "mamba_num_heads",
               .value_dim = "mamba_head_dim",
               .taps = "conv_kernel"});
    check_time_steps();
    // Readers of GGUF ask for the one or the other.
    const auto eps = config_.number("layer_norm_epsilon"), older = config_.number("norm_eps");
    for (const auto key : {"attention.layer_norm_rms_epsilon", "attention.layer_norm_epsilon"})
      add(key, eps.value_or(older.value_or(1e-5)));
    if (config_.find("moe_latent_size")) config_.note(ErrorCode::kUnsupported, "moe_latent_size", "there");
    if (const auto* activation = config_.text("mlp_hidden_act"); activation && *activation != "relu2")
      config_.note(ErrorCode::kUnsupported, "mlp_hidden_act", "not relu2");
  }

  using Kinds = std::vector<std::pair<std::string_view, char>>;

  // A letter for each layer. What is none of `kinds` is noted.
  std::string read_kinds(std::string_view name, const Kinds& kinds) {
    std::string letters;
    const auto* list = config_.find(name);
    if (!list || !list->items()) return letters;
    for (const auto& item : *list->items()) {
      const std::string kind = item.text() ? *item.text() : "";
      const auto known = std::ranges::find(kinds, kind, &Kinds::value_type::first);
      if (known == kinds.end()) config_.note(ErrorCode::kUnsupported, name, printable(kind) + " for some layers");
      letters += known == kinds.end() ? '*' : known->second;
    }
    return letters;
  }

  std::string read_pattern() {
    const auto* pattern = config_.find("hybrid_override_pattern");
    if (pattern && pattern->text()) return pattern->text()->substr(0, kMaxLayers + 1);
    const Kinds kinds = {{"mamba", 'M'}, {"linear_attention", 'M'}, {"attention", '*'}, {"full_attention", '*'}, {"mlp", '-'},
                         {"moe", 'E'}};
    if (pattern) return read_kinds("hybrid_override_pattern", {{"M", 'M'}, {"*", '*'}, {"-", '-'}, {"E", 'E'}});
    return read_kinds(config_.find("layers_block_type") ? "layers_block_type" : "layer_types", kinds);
  }

  // Steps are from 0 to infinity, which Python's JSON has a word for.
  void check_time_steps() {
    const auto* limits = config_.find("time_step_limit");
    if (!limits) return;
    const auto is_endless = [](const Json& value) {
      const auto* newer = value.find("__float__");
      const auto* text = newer ? newer->text() : value.text();
      return text && (*text == kInfinity || *text == "Infinity");
    };
    const auto* both = limits->items();
    if (!both || both->size() != 2 || (*both)[0].number() != 0 || !is_endless((*both)[1]))
      config_.note(ErrorCode::kUnsupported, "time_step_limit", "not from 0 to infinity");
  }

  const ModelType& type_;
  ConfigReader& config_;
  const std::string& prefix_;
  OwnedMetadata& metadata_;
  ModelConfig& model_;
  ScanShape& scan_;
};

}  // namespace

void read_recurrence(ConfigReader& config, const std::string& prefix, OwnedMetadata& metadata, ModelConfig& model) {
  RecurrenceReader(config, prefix, metadata, model).read();
}

}  // namespace mlxr::formats
