#include "core/models/recurrent_layers.h"

#include <algorithm>
#include <string>

namespace mlxr::models {
namespace {

// The heads of a scan have state_size keys, and share inner_size values. Queries and keys are those of groups of heads.
LinearAttention read_linear_attention(KeyReader& read, const Family& family, const TensorNames& tensors) {
  LinearAttention a{.taps = read.integer("ssm.conv_kernel", {}, 2, ops::kMostTaps), .delta = family.recurrence == Recurrence::kDeltaRule};
  auto& scan = a.scan;
  scan.tiled = family.tiled_heads;
  scan.key_dim = read.integer("ssm.state_size", {}, 1, ops::kMostKeyDim);
  scan.heads = read.integer("ssm.time_step_rank", {}, 1, 4096);
  scan.key_heads = read.integer("ssm.group_count", {}, 1, 4096);
  const int inner = read.integer("ssm.inner_size", {}, 1, 1 << 20);
  if (scan.heads % scan.key_heads != 0) read.note(ErrorCode::kUnsupported, "ssm.group_count", std::to_string(scan.key_heads));
  if (inner % scan.heads != 0) read.note(ErrorCode::kUnsupported, "ssm.inner_size", std::to_string(inner));
  scan.value_dim = inner / scan.heads;
  const int keys = scan.key_heads * scan.key_dim;
  if (a.delta) {
    scan.key_at = keys;
    scan.value_at = 2 * keys;
  } else {
    scan.key_at = inner;
    scan.query_at = inner + keys;
    // Models of one family have it or not.
    const auto is_norm = [](std::string_view name) { return name.ends_with(".ssm_norm.weight"); };
    a.norm_groups = family.attention_beside && std::ranges::none_of(tensors, is_norm) ? 0 : scan.key_heads;
  }
  return a;
}

}  // namespace

std::vector<bool> read_recurrent_layers(KeyReader& read, const Family& family, const std::vector<int>& kv_heads) {
  std::vector<bool> recurrent(kv_heads.size());
  if (family.recurrence == Recurrence::kNone) return recurrent;
  constexpr std::string_view kList = "attention.recurrent_layers";
  const auto* value = read.find(kList);
  const auto* list = value ? std::get_if<std::vector<bool>>(value) : nullptr;
  if (value && (!list || list->size() < recurrent.size())) read.note(ErrorCode::kCorrupt, kList, "not one boolean for each layer");
  const int period = read.integer("full_attention_interval", family.attention_every, 0, 1024);
  for (std::size_t i = 0; i < recurrent.size(); ++i) {
    const bool by_pattern = period > 0 && (i + 1) % static_cast<std::size_t>(period) != 0;
    recurrent[i] = list && i < list->size() ? (*list)[i] : by_pattern || kv_heads[i] == 0;
  }
  return recurrent;
}

Mixer read_recurrent_mixer(KeyReader& read, const Family& family, const TensorNames& tensors) {
  if (family.recurrence == Recurrence::kShortConvolution) return ShortConvolution{read.integer("shortconv.l_cache", {}, 2, ops::kMostTaps)};
  return read_linear_attention(read, family, tensors);
}

}  // namespace mlxr::models
