#include "core/models/describe.h"

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

template <typename T>
std::vector<double> doubles(std::span<const T> values) {
  return {values.begin(), values.end()};
}

// Reads keys under the architecture's prefix and remembers the first error.
class Reader {
 public:
  Reader(const formats::Metadata& metadata, std::string_view architecture)
      : metadata_(metadata), prefix_(std::string(architecture) + ".") {}

  int integer(std::string_view key, std::optional<int> otherwise, std::int64_t low, std::int64_t high) {
    return whole(key, number(key, otherwise, static_cast<double>(low), static_cast<double>(high), "an integer"));
  }

  // An array with one number for each layer is read as that number if all are equal.
  double number(std::string_view key, std::optional<double> otherwise, double low, double high, const char* kind = "a number") {
    const auto values = numbers(key, otherwise, low, high, kind);
    if (std::ranges::adjacent_find(values, std::ranges::not_equal_to()) != values.end())
      note(ErrorCode::kUnsupported, key, "not the same for all layers");
    return values[0];
  }

  // One integer for each layer, from an array or from one number for all.
  std::vector<int> integers(std::string_view key, int layers, std::optional<int> otherwise, std::int64_t low, std::int64_t high) {
    const auto values = numbers(key, otherwise, static_cast<double>(low), static_cast<double>(high), "an integer");
    if (values.size() != 1 && std::cmp_not_equal(values.size(), layers))
      note(ErrorCode::kCorrupt, key, "an array of " + std::to_string(values.size()) + " numbers for " + std::to_string(layers) + " layers");
    std::vector<int> result(static_cast<std::size_t>(layers), whole(key, values[0]));
    if (values.size() == result.size()) std::ranges::transform(values, result.begin(), [&](double value) { return whole(key, value); });
    return result;
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

  const formats::Value* find(std::string_view key) const { return metadata_.find(prefix_ + std::string(key)); }
  const std::optional<Error>& problem() const { return problem_; }
  void note(ErrorCode code, std::string_view key, const std::string& what) {
    if (problem_) return;
    const std::string sentence = "the key " + prefix_ + std::string(key) + " is " + what + ".";
    problem_ =
        Error{code, (code == ErrorCode::kCorrupt ? "The model's description is damaged: " : "MLXR cannot run this model: ") + sentence};
  }

 private:
  // At least one value, each of them in [low, high].
  std::vector<double> numbers(std::string_view key, std::optional<double> otherwise, double low, double high, const char* kind) {
    const std::string full = prefix_ + std::string(key);
    if (!metadata_.find(full)) {
      if (!otherwise) note(ErrorCode::kCorrupt, key, "missing");
      return {otherwise.value_or(low)};
    }
    std::vector<double> values;
    if (const auto one = metadata_.number(full)) values = {*one};
    if (values.empty()) values = doubles(metadata_.integers(full));
    if (values.empty()) values = doubles(metadata_.floats(full));
    if (values.empty()) {
      note(ErrorCode::kCorrupt, key, std::string("not ") + kind);
      return {low};
    }
    for (auto& value : values) {
      if (value >= low && value <= high) continue;
      const auto exact = metadata_.integer(full);
      note(ErrorCode::kCorrupt, key, exact ? std::to_string(*exact) : std::to_string(value));
      value = low;
    }
    return values;
  }

  int whole(std::string_view key, double value) {
    if (value != std::floor(value)) note(ErrorCode::kCorrupt, key, "not an integer");
    return static_cast<int>(value);
  }

  const formats::Metadata& metadata_;
  std::string prefix_;
  std::optional<Error> problem_;
};

int read_context(Reader& read) {
  const auto context = read.number("context_length", {}, 0, 1e18);
  return context == 0 ? kUnknownContext : static_cast<int>(std::min<double>(context, kMaxContext));
}

// The window of each layer, in tokens. In the file, the pattern is absent, a period, or one boolean for each layer.
std::vector<int> read_windows(Reader& read, const Family& family, int layers) {
  std::vector<int> windows(static_cast<std::size_t>(layers));
  if (family.global_every == 1) return windows;
  const int window = read.integer("attention.sliding_window", {}, 1, 1 << 26);
  constexpr std::string_view kPattern = "attention.sliding_window_pattern";
  const auto* pattern = read.find(kPattern);
  if (const auto* local = pattern ? std::get_if<std::vector<bool>>(pattern) : nullptr) {
    if (local->size() != windows.size()) read.note(ErrorCode::kCorrupt, kPattern, "not one boolean for each layer");
    for (std::size_t i = 0; i < std::min(local->size(), windows.size()); ++i) windows[i] = (*local)[i] ? window : 0;
    return windows;
  }
  const int period = read.integer(kPattern, family.global_every, 1, 1024);
  for (int i = 0; i < layers; ++i) windows[static_cast<std::size_t>(i)] = (i + 1) % period == 0 ? 0 : window;
  return windows;
}

// f[i] = base^(-2i / rotated) / factor, for heads of which `rotated` values are rotated.
std::vector<float> frequencies(int rotated, double base, double factor) {
  std::vector<float> f(static_cast<std::size_t>(rotated / 2));
  for (std::size_t i = 0; i < f.size(); ++i) f[i] = static_cast<float>(std::pow(base, -2.0 * static_cast<double>(i) / rotated) / factor);
  return f;
}

// The rope of layers that see everything, and that of layers with a window where the family has another one for them.
std::vector<ops::Rope> read_ropes(Reader& read, const Family& family, int key_dim) {
  constexpr std::string_view kRotated = "rope.dimension_count";
  const int rotated = read.integer(kRotated, key_dim, 2, key_dim);
  if (rotated % 2 != 0) read.note(ErrorCode::kUnsupported, read.find(kRotated) ? kRotated : "attention.key_length", "odd");
  const double base = read.number("rope.freq_base", 10000, 1, 1e12);
  std::vector<ops::Rope> ropes{{.frequencies = frequencies(rotated, base, read.rope_factor()), .interleaved = family.rope_interleaved}};
  if (family.local_rope_base > 0) {  // positions of local layers are never scaled
    const double local = read.number("rope.freq_base_swa", family.local_rope_base, 1, 1e12);
    ropes.push_back({.frequencies = frequencies(rotated, local, 1), .interleaved = family.rope_interleaved});
  }
  return ropes;
}

Result<void> check_heads(const Attention& a) {
  if (a.heads % a.kv_heads == 0) return {};
  return fail(ErrorCode::kUnsupported,
              "MLXR cannot run this shape: " + std::to_string(a.heads) + " heads and " + std::to_string(a.kv_heads) + " KV heads.");
}

Result<void> read_layers(Reader& read, const Family& family, ModelSpec& spec) {
  const int layers = read.integer("block_count", {}, 1, 1024);
  const auto heads = read.integers("attention.head_count", layers, {}, 1, 4096);
  const auto kv_heads = read.find("attention.head_count_kv") ? read.integers("attention.head_count_kv", layers, {}, 1, 4096) : heads;
  const auto hidden = read.integers("feed_forward_length", layers, {}, 1, 1 << 20);
  const auto even_share = spec.dim % heads[0] == 0 ? std::optional(spec.dim / heads[0]) : std::nullopt;
  const int key_dim = read.integer("attention.key_length", even_share, 2, 1024);
  const int value_dim = read.integer("attention.value_length", key_dim, 1, 1024);
  const auto windows = read_windows(read, family, layers);
  spec.ropes = read_ropes(read, family, key_dim);
  if (read.problem()) return fail(*read.problem());
  for (std::size_t i = 0; i < static_cast<std::size_t>(layers); ++i) {
    const bool by_share = family.name == "gemma3" && layers == kLayersOfGemma3_27B;
    const Attention attention{
        .heads = heads[i],
        .kv_heads = kv_heads[i],
        .key_dim = key_dim,
        .value_dim = value_dim,
        .rope = windows[i] > 0 ? static_cast<int>(spec.ropes.size()) - 1 : 0,
        .window = windows[i],
        .scale = 1 / std::sqrt(static_cast<float>(by_share ? spec.dim / heads[i] : key_dim)),
        .head_norms = family.head_norms,
    };
    if (auto ok = check_heads(attention); !ok) return ok;
    spec.layers.push_back({attention, GatedMlp{hidden[i], family.activation}, family.norms_after});
  }
  return {};
}

// The number of rows of the embeddings.
Result<int> count_tokens(std::span<const formats::Tensor> tensors) {
  const auto embeddings = std::ranges::find(tensors, "token_embd.weight", &formats::Tensor::name);
  if (embeddings == tensors.end()) return fail(ErrorCode::kCorrupt, "The model has no tensor token_embd.weight.");
  if (embeddings->shape.size() == 2 && embeddings->shape[0] <= kMaxVocabulary) return static_cast<int>(embeddings->shape[0]);
  return fail(ErrorCode::kCorrupt,
              "Tensor token_embd.weight should be a matrix with a row for each token, at most " + std::to_string(kMaxVocabulary) + ".");
}

}  // namespace

Result<ModelSpec> read_spec(const formats::Metadata& metadata, std::span<const formats::Tensor> tensors) {
  const auto architecture = metadata.string("general.architecture");
  if (!architecture) return fail(ErrorCode::kCorrupt, "The model does not say its architecture (general.architecture).");
  const Family* family = find_family(*architecture);
  if (!family) return fail(ErrorCode::kUnsupported, "MLXR cannot run the architecture " + formats::printable(*architecture) + " yet.");
  if (auto known = check_keys(metadata, *family); !known) return fail(known.error());

  Reader read(metadata, *architecture);
  ModelSpec spec{.architecture = std::string(*architecture)};
  spec.dim = read.integer("embedding_length", {}, 1, 1 << 17);
  spec.context = read_context(read);
  spec.norm_eps = static_cast<float>(read.number("attention.layer_norm_rms_epsilon", {}, 0, 1));
  spec.rope_factors = family->rope_factors;
  if (family->scale_embeddings) spec.embed_scale = std::sqrt(static_cast<float>(spec.dim));
  if (auto layers = read_layers(read, *family, spec); !layers) return fail(layers.error());

  const auto vocabulary = count_tokens(tensors);
  if (!vocabulary) return fail(vocabulary.error());
  spec.vocabulary = *vocabulary;
  return spec;
}

Result<Description> describe(const formats::Metadata& metadata, std::span<const formats::Tensor> tensors) {
  auto spec = read_spec(metadata, tensors);
  if (!spec) return fail(spec.error());
  auto bindings = bind_gguf(*spec, *find_family(spec->architecture));
  if (auto known = check_tensors(*spec, bindings, tensors); !known) return fail(known.error());
  return Description{*std::move(spec), std::move(bindings)};
}

}  // namespace mlxr::models
