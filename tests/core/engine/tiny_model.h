// Writes a small model file that runs: random weights, and a vocabulary of the 256 bytes and an end token. For tests that need a model but
// no meaningful answer.
#pragma once

#include <filesystem>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "core/formats/gguf_writer.h"
#include "core/quant/quantize.h"
#include "tests/core/formats/gguf_builder.h"
#include "tests/core/quant/random_blocks.h"

namespace mlxr {

struct TinyShape {
  std::string architecture = "llama";
  std::uint32_t layers = 2, dim = 32, heads = 2, kv_heads = 1, hidden = 64, context = 256;
  std::uint32_t seed = 1;
  std::uint32_t window = 0;                    // of every other layer: for gemma3, which has such layers
  std::uint32_t experts = 0, used = 2;         // of each layer, and of a token; 0: it has an MLP
  bool two_sided = false;                      // an encoder
  std::uint32_t pooling = 0;                   // GGUF's number of it; 0: the file does not say
  quant::Type type = quant::Type::kF32;        // of matrices
  std::optional<quant::Type> table_type = {};  // of the embeddings, if it is another
  std::vector<std::int32_t> suppressed = {};   // tokens that no answer has
};

// A model in which every other layer keeps only the last `window` tokens.
inline TinyShape tiny_with_windows(std::uint32_t window) { return {.architecture = "gemma3", .heads = 4, .kv_heads = 2, .window = window}; }

// A mixture whose experts are nearly all of it: 22 MiB of weights, of which a token reads 2.
inline TinyShape tiny_mixture() { return {.dim = 256, .heads = 4, .hidden = 512, .experts = 28, .used = 3, .type = quant::Type::kQ8_0}; }

inline constexpr int kTinyVocabulary = 258;

// Of the cache, for 32 tokens: 2 layers, keys and values, 16 values in all KV heads together, float16.
inline constexpr std::uint64_t kTinyBlockBytes = 32 * 2 * 2 * 16 * 2;

namespace tiny {

inline std::string utf8(unsigned code) {
  if (code < 0x80) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 0x3f))};
}

// The letters in which byte-level BPE spells bytes, "ab" and "<end>".
inline std::string tokens() {
  formats::Bytes all;
  all.add(std::uint32_t{formats::kString}).add(std::uint64_t{kTinyVocabulary});
  unsigned hidden = 256;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool shown = (byte >= 33 && byte < 127) || (byte >= 161 && byte < 173) || byte >= 174;
    all.text(utf8(shown ? byte : hidden++));
  }
  return all.text("ab").text("<end>").str();
}

inline std::string token_types() {
  formats::Bytes all;
  all.add(std::uint32_t{formats::kI32}).add(std::uint64_t{kTinyVocabulary});
  for (int i = 0; i < 257; ++i) all.add(std::int32_t{1});
  return all.add(std::int32_t{3}).str();
}

}  // namespace tiny

inline void write_tiny_model(const std::filesystem::path& file, const TinyShape& s = {}) {
  using namespace formats;
  const auto a = s.architecture + ".";
  GgufBuilder keys;
  if (s.window > 0)
    keys.key(a + "attention.sliding_window", kU32, s.window).key(a + "attention.sliding_window_pattern", kU32, std::uint32_t{2});
  if (s.experts > 0) keys.key(a + "expert_count", kU32, s.experts).key(a + "expert_used_count", kU32, s.used);
  if (s.two_sided) keys.key(a + "attention.causal", kBool, false);
  if (s.pooling > 0) keys.key(a + "pooling_type", kU32, s.pooling);
  if (!s.suppressed.empty()) {
    Bytes list;
    list.add(std::uint32_t{kI32}).add(std::uint64_t{s.suppressed.size()});
    for (const auto id : s.suppressed) list.add(id);
    keys.raw_key("tokenizer.ggml.suppress_tokens", kArray, list.str());
  }
  const std::string description =
      keys.key("general.architecture", s.architecture)
          .key(a + "block_count", kU32, s.layers)
          .key(a + "context_length", kU32, s.context)
          .key(a + "embedding_length", kU32, s.dim)
          .key(a + "feed_forward_length", kU32, s.hidden)
          .key(a + "attention.head_count", kU32, s.heads)
          .key(a + "attention.head_count_kv", kU32, s.kv_heads)
          .key(a + "attention.layer_norm_rms_epsilon", kF32, 1e-5f)
          .key("tokenizer.ggml.model", "gpt2")
          .key("tokenizer.ggml.pre", "default")
          .raw_key("tokenizer.ggml.tokens", kArray, tiny::tokens())
          .raw_key("tokenizer.ggml.token_type", kArray, tiny::token_types())
          .raw_key("tokenizer.ggml.merges", kArray, Bytes().add(std::uint32_t{kString}).add(std::uint64_t{1}).text("a b").str())
          .key("tokenizer.ggml.eos_token_id", kU32, std::uint32_t{257})
          .bytes();
  const std::int64_t dim = s.dim, kv = s.dim / s.heads * s.kv_heads, hidden = s.hidden;
  std::vector<std::string> names = {"token_embd.weight", "output_norm.weight"};
  std::vector<std::vector<std::int64_t>> shapes = {{kTinyVocabulary, dim}, {dim}};
  for (std::uint32_t i = 0; i < s.layers; ++i) {
    const auto add = [&](const std::string& name, std::vector<std::int64_t> shape) {
      names.push_back("blk." + std::to_string(i) + "." + name + ".weight");
      shapes.push_back(std::move(shape));
    };
    add("attn_norm", {dim});
    add("ffn_norm", {dim});
    add("attn_q", {dim, dim});
    add("attn_k", {kv, dim});
    add("attn_v", {kv, dim});
    add("attn_output", {dim, dim});
    if (s.experts > 0) {
      const std::int64_t experts = s.experts;
      add("ffn_gate_inp", {experts, dim});
      add("ffn_gate_exps", {experts, hidden, dim});
      add("ffn_up_exps", {experts, hidden, dim});
      add("ffn_down_exps", {experts, dim, hidden});
    } else {
      add("ffn_gate", {hidden, dim});
      add("ffn_up", {hidden, dim});
      add("ffn_down", {dim, hidden});
    }
    if (s.window == 0) continue;
    add("attn_q_norm", {dim / s.heads});
    add("attn_k_norm", {dim / s.heads});
    add("post_attention_norm", {dim});
    add("post_ffw_norm", {dim});
  }
  std::vector<TensorPlan> plans;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto type = i == 0 && s.table_type ? *s.table_type : shapes[i].size() > 1 ? s.type : quant::Type::kF32;
    plans.push_back({names[i], type, shapes[i]});
  }
  auto writer = GgufWriter::create(file, gguf_pairs(std::as_bytes(std::span(description))), plans, 32).value();
  std::mt19937 random(s.seed);
  std::uniform_real_distribution<float> real(-1, 1);
  for (const auto& plan : plans) {
    std::size_t count = 1;
    for (const auto n : plan.shape) count *= static_cast<std::size_t>(n);
    if (!quant::has_encoder(plan.type)) {
      const auto blocks = count / quant::traits(plan.type).block_size;
      writer.append(quant::random_blocks(plan.type, blocks, static_cast<unsigned>(random()))).value();
      continue;
    }
    std::vector<float> values(count);
    for (float& value : values) value = plan.shape.size() == 1 ? 1.0f : real(random) * 0.5f;
    std::vector<std::byte> packed(quant::row_bytes(plan.type, count));
    quant::quantize_row(plan.type, values.data(), packed.data(), count);
    writer.append(packed).value();
  }
  writer.finish().value();
}

}  // namespace mlxr
