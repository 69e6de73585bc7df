#include "core/formats/folder/recurrent_config.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace mlxr::formats {
namespace {

constexpr std::int64_t kMaxLayers = 4096, kMaxDim = 1 << 24;

class RecurrenceReader {
 public:
  RecurrenceReader(const ModelType& type, ConfigReader& config, const std::string& prefix, OwnedMetadata& metadata)
      : type_(type), config_(config), prefix_(prefix), metadata_(metadata) {}

  ScanShape read() {
    switch (type_.recurrence) {
      case Recurrence::kNone: break;
      case Recurrence::kConvolution: read_convolutions(); break;
      case Recurrence::kDeltaRule: read_delta_rule(); break;
    }
    return scan_;
  }

 private:
  void add(std::string_view key, Value value) { metadata_.add(prefix_ + std::string(key), std::move(value)); }

  std::int64_t need(std::string_view name, std::int64_t most = kMaxDim) {
    const auto value = config_.integer(name);
    if (!value || *value < 1 || *value > most) config_.note(ErrorCode::kCorrupt, name, value ? std::to_string(*value) : "missing");
    return std::clamp<std::int64_t>(value.value_or(1), 1, most);
  }

  // LFM2. GGUF knows its convolutions by their lack of KV heads.
  void read_convolutions() {
    const auto layers = need("num_hidden_layers", kMaxLayers), kv_heads = need("num_key_value_heads");
    const auto attention = read_attention_layers(layers);
    std::vector<std::int64_t> of_layers;
    for (const bool attends : attention) of_layers.push_back(attends ? kv_heads : 0);
    add("attention.head_count_kv", std::move(of_layers));
    add("shortconv.l_cache", need("conv_L_cache"));
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
    const auto width = own ? need("block_ff_dim") : need("intermediate_size");
    const double factor = config_.number("block_ffn_dim_multiplier").value_or(1);
    const auto unit = config_.find("block_multiple_of") ? need("block_multiple_of") : 1;
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
    const auto layers = need("num_hidden_layers", kMaxLayers);
    const auto period = config_.find("full_attention_interval") ? need("full_attention_interval") : 4;
    if (const auto* types = config_.find("layer_types"); types && types->items()) {
      for (std::int64_t i = 0; std::cmp_less(i, types->items()->size()) && i < layers; ++i) {
        const auto* type = (*types->items())[static_cast<std::size_t>(i)].text();
        if (type && (*type == "full_attention") != ((i + 1) % period == 0))
          config_.note(ErrorCode::kUnsupported, "layer_types", "not regular");
      }
    }
    add("full_attention_interval", period);
    // Where all layers have experts, nothing is as wide as GGUF's key for other feed-forward parts says, which it must have.
    if (!config_.find("intermediate_size")) add("feed_forward_length", need("moe_intermediate_size"));
    scan_ = {.key_heads = need("linear_num_key_heads"),
             .key_dim = need("linear_key_head_dim", 1 << 12),
             .value_heads = need("linear_num_value_heads", 1 << 12),
             .value_dim = need("linear_value_head_dim", 1 << 12)};
    if (scan_.value_heads % scan_.key_heads != 0) {
      config_.note(ErrorCode::kCorrupt, "linear_num_value_heads", "no multiple of linear_num_key_heads");
      scan_.key_heads = 1;
    }
    add("ssm.conv_kernel", need("linear_conv_kernel_dim"));
    add("ssm.state_size", scan_.key_dim);
    add("ssm.group_count", scan_.key_heads);
    add("ssm.time_step_rank", scan_.value_heads);
    add("ssm.inner_size", scan_.value_heads * scan_.value_dim);
  }

  const ModelType& type_;
  ConfigReader& config_;
  const std::string& prefix_;
  OwnedMetadata& metadata_;
  ScanShape scan_;
};

}  // namespace

ScanShape read_recurrence(const ModelType& type, ConfigReader& config, const std::string& prefix, OwnedMetadata& metadata) {
  return RecurrenceReader(type, config, prefix, metadata).read();
}

}  // namespace mlxr::formats
