#include "core/models/config.h"

#include <algorithm>
#include <cmath>

#include "core/formats/printable.h"
#include "core/models/family.h"
#include "core/models/keys.h"

namespace mlxr::models {
namespace {

// Far above every vocabulary in the field, and low enough that token counts fit in an int.
constexpr std::int64_t kMaxVocabulary = 1 << 24;
constexpr std::int64_t kMaxContext = 1 << 26;
constexpr int kUnknownContext = 4096;  // tokens, where the file says 0

// Gemma 3's largest model scales attention by dim / heads, all others by the head's length (Gemma 3 report, query_pre_attn_scalar).
constexpr int kLayersOfGemma3_27B = 62;

// The value of all elements of an array, if they are all equal.
template <typename T>
std::optional<double> common(std::span<const T> values) {
  if (values.empty() || std::ranges::adjacent_find(values, std::ranges::not_equal_to()) != values.end()) return std::nullopt;
  return static_cast<double>(values.front());
}

// Reads keys under the architecture's prefix and remembers the first error. An array with one number for each layer is read as that number
// if all are equal.
class Reader {
 public:
  Reader(const formats::Metadata& metadata, std::string_view architecture)
      : metadata_(metadata), prefix_(std::string(architecture) + ".") {}

  int integer(std::string_view key, std::optional<int> otherwise, std::int64_t low, std::int64_t high) {
    const double value = number(key, otherwise, static_cast<double>(low), static_cast<double>(high), "an integer");
    if (value != std::floor(value)) note(ErrorCode::kCorrupt, key, "not an integer");
    return static_cast<int>(value);
  }

  double number(std::string_view key, std::optional<double> otherwise, double low, double high, const char* kind = "a number") {
    const std::string full = prefix_ + std::string(key);
    if (!metadata_.find(full)) {
      if (!otherwise) note(ErrorCode::kCorrupt, key, "missing");
      return otherwise.value_or(low);
    }
    auto value = metadata_.number(full);
    if (!value) value = common(metadata_.integers(full));
    if (!value) value = common(metadata_.floats(full));
    if (!value) {
      const bool differs = !metadata_.integers(full).empty() || !metadata_.floats(full).empty();
      if (differs)
        note(ErrorCode::kUnsupported, key, "not the same for all layers");
      else
        note(ErrorCode::kCorrupt, key, std::string("not ") + kind);
      return low;
    }
    if (!(*value >= low && *value <= high)) {
      const auto exact = metadata_.integer(full);
      note(ErrorCode::kCorrupt, key, exact ? std::to_string(*exact) : std::to_string(*value));
      return low;
    }
    return *value;
  }

  // The factor by which RoPE positions are divided; 1: no scaling. The type defaults to "linear" when the file only has a factor.
  double rope_factor() {
    const auto type = metadata_.string(prefix_ + "rope.scaling.type");
    const double older = number("rope.scale_linear", 1, 0, 1e6);
    double factor = number("rope.scaling.factor", older, 0, 1e6);
    if (factor == 0) factor = 1;
    if (type == "none" || (factor == 1 && type == "yarn")) return 1;
    if (type && *type != "linear") {
      problem_ = Error{ErrorCode::kUnsupported, "MLXR cannot run models with RoPE scaling " + formats::printable(*type) + " yet."};
      return 1;
    }
    return factor;
  }

  const formats::Metadata& metadata() const { return metadata_; }
  const std::optional<Error>& problem() const { return problem_; }
  void note(ErrorCode code, std::string_view key, const std::string& what) {
    if (problem_) return;
    const std::string sentence = "the key " + prefix_ + std::string(key) + " is " + what + ".";
    problem_ =
        Error{code, (code == ErrorCode::kCorrupt ? "The model's description is damaged: " : "MLXR cannot run this model: ") + sentence};
  }

 private:
  const formats::Metadata& metadata_;
  std::string prefix_;
  std::optional<Error> problem_;
};

void read_shape(Reader& read, Config& c) {
  c.layers = read.integer("block_count", {}, 1, 1024);
  c.dim = read.integer("embedding_length", {}, 1, 1 << 17);
  c.heads = read.integer("attention.head_count", {}, 1, 4096);
  c.kv_heads = read.integer("attention.head_count_kv", c.heads, 1, 4096);
  const auto even_share = c.dim % c.heads == 0 ? std::optional(c.dim / c.heads) : std::nullopt;
  c.head_dim = read.integer("attention.key_length", even_share, 2, 1024);
  c.hidden = read.integer("feed_forward_length", {}, 1, 1 << 20);
  const auto context = read.number("context_length", {}, 0, 1e18);
  c.context = context == 0 ? kUnknownContext : static_cast<int>(std::min<double>(context, kMaxContext));
  c.norm_eps = static_cast<float>(read.number("attention.layer_norm_rms_epsilon", {}, 0, 1));
}

Result<void> check_heads(Reader& read, const Config& c) {
  const int value_dim = read.integer("attention.value_length", c.head_dim, 1, 4096);
  const int rotated = read.integer("rope.dimension_count", c.head_dim, 1, 4096);
  if (read.problem()) return fail(*read.problem());
  if (c.heads % c.kv_heads == 0 && value_dim == c.head_dim && rotated == c.head_dim && c.head_dim % 2 == 0) return {};
  return fail(ErrorCode::kUnsupported, "MLXR cannot run this shape: " + std::to_string(c.heads) + " heads, " + std::to_string(c.kv_heads) +
                                           " KV heads, key length " + std::to_string(c.head_dim) + ", value length " +
                                           std::to_string(value_dim) + ", " + std::to_string(rotated) + " rotated.");
}

// Which layers see only a window. In the file, the pattern is absent, a period, or one boolean for each layer.
void read_windows(Reader& read, const Family& family, Config& c) {
  c.global_every = family.global_every;
  if (family.global_every == 1) return;
  c.window = read.integer("attention.sliding_window", {}, 1, 1 << 26);
  const std::string key = std::string(family.name) + ".attention.sliding_window_pattern";
  if (!read.metadata().find(key)) return;
  if (const auto period = read.metadata().integer(key)) {
    c.global_every = read.integer("attention.sliding_window_pattern", {}, 1, 1024);
    return;
  }
  const auto* layers = std::get_if<std::vector<bool>>(read.metadata().find(key));
  for (int i = 0; layers && i < static_cast<int>(layers->size()); ++i) {
    if ((*layers)[static_cast<std::size_t>(i)] != c.is_local(i)) layers = nullptr;
  }
  if (!layers) read.note(ErrorCode::kUnsupported, "attention.sliding_window_pattern", "not a pattern that repeats");
}

// f[i] = base^(-2i / head_dim) / factor
std::shared_ptr<const std::vector<float>> frequencies(int head_dim, double base, double factor) {
  auto f = std::make_shared<std::vector<float>>(head_dim / 2);
  for (std::size_t i = 0; i < f->size(); ++i) {
    (*f)[i] = static_cast<float>(std::pow(base, -2.0 * static_cast<double>(i) / head_dim) / factor);
  }
  return f;
}

void read_rope(Reader& read, const Family& family, Config& c) {
  c.rope_interleaved = family.rope_interleaved;
  c.rope_factors = family.rope_factors;
  const double base = read.number("rope.freq_base", 10000, 1, 1e12);
  c.rope_global = frequencies(c.head_dim, base, read.rope_factor());
  c.rope_local = c.rope_global;
  if (family.local_rope_base > 0)  // positions of local layers are never scaled
    c.rope_local = frequencies(c.head_dim, read.number("rope.freq_base_swa", family.local_rope_base, 1, 1e12), 1);
}

}  // namespace

Result<Config> read_config(const formats::Metadata& metadata, std::span<const formats::Tensor> tensors) {
  const auto architecture = metadata.string("general.architecture");
  if (!architecture) return fail(ErrorCode::kCorrupt, "The model does not say its architecture (general.architecture).");
  const Family* family = find_family(*architecture);
  if (!family) return fail(ErrorCode::kUnsupported, "MLXR cannot run the architecture " + formats::printable(*architecture) + " yet.");
  if (auto known = check_keys(metadata, *family); !known) return fail(known.error());

  Reader read(metadata, *architecture);
  Config c;
  c.architecture = *architecture;
  read_shape(read, c);
  if (auto ok = check_heads(read, c); !ok) return fail(ok.error());
  read_windows(read, *family, c);
  read_rope(read, *family, c);
  if (read.problem()) return fail(*read.problem());
  c.activation = family->activation;
  c.head_norms = family->head_norms;
  c.post_norms = family->post_norms;
  if (family->scale_embeddings) c.embed_scale = std::sqrt(static_cast<float>(c.dim));
  const bool by_share = family->name == "gemma3" && c.layers == kLayersOfGemma3_27B;
  c.attention_scale = 1 / std::sqrt(static_cast<float>(by_share ? c.dim / c.heads : c.head_dim));

  const auto embeddings = std::ranges::find(tensors, "token_embd.weight", &formats::Tensor::name);
  if (embeddings == tensors.end()) return fail(ErrorCode::kCorrupt, "The model has no tensor token_embd.weight.");
  if (embeddings->shape.size() != 2 || embeddings->shape[0] > kMaxVocabulary) {
    return fail(ErrorCode::kCorrupt,
                "Tensor token_embd.weight should be a matrix with a row for each token, at most " + std::to_string(kMaxVocabulary) + ".");
  }
  c.vocabulary = static_cast<int>(embeddings->shape[0]);
  return c;
}

Result<void> apply_rope_factors(Config& c, const formats::Checkpoint& file) {
  const auto* tensor = c.rope_factors ? file.find("rope_freqs.weight") : nullptr;
  if (!tensor) return {};
  const auto factors = tensor->values();
  if (!factors) return fail(factors.error());
  auto f = *c.rope_global;
  for (std::size_t i = 0; i < f.size(); ++i) {
    if (!(std::isfinite((*factors)[i]) && (*factors)[i] > 0))
      return fail(ErrorCode::kCorrupt, "Tensor rope_freqs.weight holds a factor that is not a positive number.");
    f[i] /= (*factors)[i];
  }
  const bool same = c.rope_local == c.rope_global;
  c.rope_global = std::make_shared<const std::vector<float>>(std::move(f));
  if (same) c.rope_local = c.rope_global;
  return {};
}

}  // namespace mlxr::models
