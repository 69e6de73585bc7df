#include "core/models/config.h"

#include <algorithm>
#include <cmath>

#include "core/formats/printable.h"
#include "core/quant/dequantize.h"

namespace mlxr::models {
namespace {

// What a family has that its metadata does not say.
struct Family {
  std::string_view name;
  bool rope_interleaved;
  ops::Activation activation;
  bool scale_embeddings;  // by sqrt(dim)
  int global_every;       // with a sliding window: every n-th layer is global
  float local_rope_base;  // 0: the same as the global one
};

// Far above every vocabulary in the field; what follows counts tokens in an int.
constexpr std::int64_t kMaxVocabulary = 1 << 24;

constexpr Family kFamilies[] = {
    {"llama", true, ops::Activation::kSilu, false, 1, 0},
    {"qwen2", false, ops::Activation::kSilu, false, 1, 0},  // Qwen2 report (2024); its biases are in the file
    // Gemma 3 report (2025): five local layers for each global one; local RoPE base 10,000.
    {"gemma3", false, ops::Activation::kGeluTanh, true, 6, 10000},
};

// Reads keys under the architecture's prefix and remembers the first that is missing, of another type or out of range.
class Reader {
 public:
  Reader(const formats::Metadata& metadata, std::string_view architecture)
      : metadata_(metadata), prefix_(std::string(architecture) + ".") {}

  int integer(std::string_view key, std::optional<int> otherwise, int low, int high) {
    auto value = metadata_.integer(prefix_ + std::string(key));
    if (!value && otherwise && !is_there(key)) value = *otherwise;
    if (!value) return note(key, is_there(key) ? "not an integer" : "missing"), low;
    if (*value < low || *value > high) return note(key, std::to_string(*value)), low;
    return static_cast<int>(*value);
  }

  float number(std::string_view key, std::optional<float> otherwise, double low, double high) {
    const auto value = metadata_.number(prefix_ + std::string(key));
    if (!value && otherwise && !is_there(key)) return *otherwise;
    if (!value) return note(key, is_there(key) ? "not a number" : "missing"), static_cast<float>(low);
    if (!(*value >= low && *value <= high)) return note(key, std::to_string(*value)), static_cast<float>(low);
    return static_cast<float>(*value);
  }

  const std::string& problem() const { return problem_; }

 private:
  bool is_there(std::string_view key) const { return metadata_.find(prefix_ + std::string(key)) != nullptr; }
  void note(std::string_view key, const std::string& what) {
    if (problem_.empty()) problem_ = "the key " + prefix_ + std::string(key) + " is " + what;
  }

  const formats::Metadata& metadata_;
  std::string prefix_;
  std::string problem_;
};

// f[i] = base^(-2i / head_dim) / factor[i]; the factors (Llama 3.1 and later) come from the file.
Result<std::shared_ptr<const std::vector<float>>> frequencies(const formats::Checkpoint& file, int head_dim, float base) {
  auto f = std::make_shared<std::vector<float>>(head_dim / 2);
  std::vector<float> factors(f->size(), 1.0f);
  if (const auto* t = file.find("rope_freqs.weight")) {
    if (t->type != quant::Type::kF32 || t->shape != std::vector<std::int64_t>{head_dim / 2}) {
      return fail(ErrorCode::kCorrupt, "Tensor rope_freqs.weight should be " + std::to_string(head_dim / 2) + " values of type F32.");
    }
    quant::dequantize_row(t->type, t->data.data(), factors.data(), factors.size());
    if (!std::ranges::all_of(factors, [](float factor) { return std::isfinite(factor) && factor > 0; })) {
      return fail(ErrorCode::kCorrupt, "Tensor rope_freqs.weight holds a factor that is not a positive number.");
    }
  }
  for (std::size_t i = 0; i < f->size(); ++i) {
    (*f)[i] = static_cast<float>(std::pow(static_cast<double>(base), -2.0 * static_cast<double>(i) / head_dim) / factors[i]);
  }
  return f;
}

}  // namespace

bool is_supported_architecture(std::string_view architecture) {
  return std::ranges::any_of(kFamilies, [&](const Family& family) { return family.name == architecture; });
}

Result<Config> read_config(const formats::Checkpoint& file) {
  const auto& metadata = file.metadata();
  const auto architecture = metadata.string("general.architecture");
  if (!architecture) return fail(ErrorCode::kCorrupt, "The model does not say its architecture (general.architecture).");
  const Family* family = nullptr;
  for (const auto& f : kFamilies) {
    if (f.name == *architecture) family = &f;
  }
  if (!family) return fail(ErrorCode::kUnsupported, "MLXR cannot run the architecture " + formats::printable(*architecture) + " yet.");

  Reader read(metadata, *architecture);
  Config c;
  c.architecture = *architecture;
  c.layers = read.integer("block_count", {}, 1, 1024);
  c.dim = read.integer("embedding_length", {}, 1, 1 << 17);
  c.heads = read.integer("attention.head_count", {}, 1, 4096);
  c.kv_heads = read.integer("attention.head_count_kv", c.heads, 1, 4096);
  c.head_dim = c.dim % c.heads == 0 ? read.integer("attention.key_length", c.dim / c.heads, 2, 1024)
                                    : read.integer("attention.key_length", {}, 2, 1024);
  const int value_dim = read.integer("attention.value_length", c.head_dim, 2, 1024);
  c.hidden = read.integer("feed_forward_length", {}, 1, 1 << 20);
  c.context = read.integer("context_length", {}, 1, 1 << 26);
  c.norm_eps = read.number("attention.layer_norm_rms_epsilon", {}, 0, 1);
  const float base = read.number("rope.freq_base", 10000.0f, 1, 1e12);
  const int rotated = read.integer("rope.dimension_count", c.head_dim, 1, 4096);
  c.window = read.integer("attention.sliding_window", 0, 0, 1 << 26);
  const int experts = read.integer("expert_count", 0, 0, 4096);
  const float softcap = read.number("attn_logit_softcapping", 0.0f, 0, 1e9);
  if (!read.problem().empty()) return fail(ErrorCode::kCorrupt, "The model's description is damaged: " + read.problem() + ".");

  if (experts > 0) return fail(ErrorCode::kUnsupported, "MLXR cannot run mixture-of-experts models yet.");
  if (softcap > 0) return fail(ErrorCode::kUnsupported, "MLXR cannot run models with attention soft-capping yet.");
  if (c.heads % c.kv_heads != 0 || value_dim != c.head_dim || rotated != c.head_dim || c.head_dim % 2 != 0) {
    return fail(ErrorCode::kUnsupported, "MLXR cannot run this shape: " + std::to_string(c.heads) + " heads, " +
                                             std::to_string(c.kv_heads) + " KV heads, key length " + std::to_string(c.head_dim) +
                                             ", value length " + std::to_string(value_dim) + ", " + std::to_string(rotated) + " rotated.");
  }
  if (const auto type = metadata.string(std::string(*architecture) + ".rope.scaling.type"); type && *type != "none") {
    return fail(ErrorCode::kUnsupported, "MLXR cannot run models with RoPE scaling " + formats::printable(*type) + " yet.");
  }

  c.activation = family->activation;
  c.rope_interleaved = family->rope_interleaved;
  c.global_every = family->global_every;
  if (family->global_every == 1) c.window = 0;
  if (family->scale_embeddings) c.embed_scale = std::sqrt(static_cast<float>(c.dim));
  c.attention_scale = 1 / std::sqrt(static_cast<float>(c.head_dim));
  auto global = frequencies(file, c.head_dim, base);
  if (!global) return fail(global.error());
  c.rope_global = *global;
  c.rope_local = family->local_rope_base > 0 ? frequencies(file, c.head_dim, family->local_rope_base).value() : *global;

  const auto* embeddings = file.find("token_embd.weight");
  if (!embeddings) return fail(ErrorCode::kCorrupt, "The model has no tensor token_embd.weight.");
  if (embeddings->shape.size() != 2 || embeddings->shape[0] > kMaxVocabulary) {
    return fail(ErrorCode::kCorrupt,
                "Tensor token_embd.weight should be a matrix with a row for each token, at most " + std::to_string(kMaxVocabulary) + ".");
  }
  c.vocabulary = static_cast<int>(embeddings->shape[0]);
  return c;
}

}  // namespace mlxr::models
