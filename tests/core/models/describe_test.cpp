// Descriptions that no file of a reasonable size could have; the others are in tests/core/formats/hostile_gguf.py (impossible models).
#include "core/models/describe.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mlxr::models {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A checkpoint of nothing but shapes.
class Shapes final : public formats::Checkpoint {
 public:
  // Sets a key, or replaces it.
  Shapes& with(const std::string& key, formats::Value value) {
    formats::Metadata changed;
    for (const auto& [name, old] : metadata_.all()) changed.insert(name, name == key ? value : old);
    changed.insert(key, value);
    metadata_ = changed;
    return *this;
  }
  explicit Shapes(std::vector<std::int64_t> embeddings, std::string_view architecture = "llama")
      : tensors_{{.name = "token_embd.weight", .shape = std::move(embeddings)}} {
    metadata_.insert("general.architecture", architecture);
    const std::pair<const char*, std::int64_t> kIntegers[] = {
        {"block_count", 1}, {"embedding_length", 32}, {"attention.head_count", 2}, {"feed_forward_length", 32}, {"context_length", 64}};
    for (const auto& [key, value] : kIntegers) metadata_.insert(std::string(architecture) + "." + key, value);
    metadata_.insert(std::string(architecture) + ".attention.layer_norm_rms_epsilon", 1e-5);
  }

  const formats::Metadata& metadata() const override { return metadata_; }
  std::span<const formats::Tensor> tensors() const override { return tensors_; }
  const formats::Tensor* find(std::string_view name) const override { return name == tensors_[0].name ? tensors_.data() : nullptr; }
  std::shared_ptr<const formats::Metadata> share_metadata() const override { return std::make_shared<formats::Metadata>(metadata_); }
  std::uint64_t file_size() const override { return 0; }
  bool unchanged() const override { return true; }

 private:
  formats::Metadata metadata_;
  std::vector<formats::Tensor> tensors_;
};

Result<ModelSpec> read(const Shapes& file) { return read_spec(file.metadata(), file.tensors()); }

const Attention& attention(const Result<ModelSpec>& spec, std::size_t layer = 0) {
  return std::get<Attention>(spec->layers.at(layer).mixer);
}

TEST(Describe, CountsTheRowsOfTheEmbeddings) {
  const auto spec = read(Shapes({258, 32}));
  ASSERT_TRUE(spec) << spec.error().message;
  EXPECT_EQ(spec->vocabulary, 258);
  EXPECT_EQ(attention(spec).key_dim, 16);
  EXPECT_EQ(attention(spec).value_dim, 16);
  EXPECT_EQ(attention(spec).kv_heads, 2);
}

TEST(Describe, RefusesMoreTokensThanAnIntCounts) {
  for (const std::int64_t rows : {std::int64_t{1} << 32 | 258, std::int64_t{1} << 31, (std::int64_t{1} << 24) + 1}) {
    const auto spec = read(Shapes({rows, 32}));
    ASSERT_FALSE(spec) << rows;
    EXPECT_EQ(spec.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(spec.error().message, HasSubstr("at most 16777216"));
  }
}

// A key that changes what is computed is understood, or the model is refused by the key's name.
TEST(Describe, RefusesWhatItDoesNotUnderstand) {
  const auto says = [](const std::string& key, formats::Value value) {
    const auto spec = read(Shapes({258, 32}).with(key, std::move(value)));
    return spec ? std::string("accepted") : spec.error().message;
  };
  EXPECT_THAT(says("llama.brand_new", true), HasSubstr("does not know the key 'llama.brand_new'"));
  EXPECT_THAT(says("llama.pooling_type", std::int64_t{5}), HasSubstr("llama.pooling_type"));
  EXPECT_THAT(says("llama.final_logit_softcapping", 30.0), HasSubstr("soft-capping of logits"));
  EXPECT_EQ(says("llama.final_logit_softcapping", 0.0), "accepted");
  EXPECT_THAT(says("llama.rope.scaling.type", std::string_view("dynamic")), HasSubstr("RoPE scaling 'dynamic'"));
  EXPECT_EQ(says("tokenizer.brand_new", true), "accepted") << "not of the architecture";
  EXPECT_EQ(says("llama.attention.sliding_window", std::int64_t{4096}), "accepted") << "Mistral v0.1, as llama.cpp runs it";
}

TEST(Describe, AnyModelMayBeTwoSided) {
  EXPECT_TRUE(read(Shapes({258, 32}).with("llama.attention.causal", false))->two_sided);
  EXPECT_FALSE(read(Shapes({258, 32}).with("llama.attention.causal", true))->two_sided);
}

TEST(Describe, ScalesRopeInAllSpellings) {
  const auto second = [](Shapes file) { return read(file)->ropes[0].frequencies[1]; };
  const float plain = second(Shapes({258, 32}));
  using Files = std::vector<Shapes>;
  for (auto& file :
       Files{Shapes({258, 32}).with("llama.rope.scaling.factor", 4.0), Shapes({258, 32}).with("llama.rope.scale_linear", 4.0),
             Shapes({258, 32}).with("llama.rope.scaling.type", std::string_view("linear")).with("llama.rope.scaling.factor", 4.0)})
    EXPECT_FLOAT_EQ(second(file), plain / 4);
  for (auto& file :
       Files{Shapes({258, 32}).with("llama.rope.scaling.factor", 1.0), Shapes({258, 32}).with("llama.rope.scaling.factor", 0.0),
             Shapes({258, 32}).with("llama.rope.scaling.type", std::string_view("linear")),
             Shapes({258, 32}).with("llama.rope.scaling.type", std::string_view("none")).with("llama.rope.scaling.factor", 4.0)})
    EXPECT_FLOAT_EQ(second(file), plain);
}

// The window of each layer.
std::vector<int> windows(const Result<ModelSpec>& spec) {
  std::vector<int> all;
  for (std::size_t i = 0; i < spec->layers.size(); ++i) all.push_back(attention(spec, i).window);
  return all;
}

TEST(Describe, AFamilyWithWindowsMustSayTheirSize) {
  const auto missing = read(Shapes({258, 32}, "gemma3"));
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr("gemma3.attention.sliding_window is missing"));
}

TEST(Describe, UnrollsThePatternOfWindows) {
  const auto gemma = [] {
    return Shapes({258, 32}, "gemma3")
        .with("gemma3.attention.sliding_window", std::int64_t{512})
        .with("gemma3.block_count", std::int64_t{7});
  };
  const std::string pattern = "gemma3.attention.sliding_window_pattern";
  EXPECT_THAT(windows(read(gemma())), ElementsAre(512, 512, 512, 512, 512, 0, 512));
  EXPECT_THAT(windows(read(gemma().with(pattern, std::int64_t{2}))), ElementsAre(512, 0, 512, 0, 512, 0, 512));
  EXPECT_THAT(windows(read(gemma().with(pattern, std::vector<bool>{true, false, false, true, true, false, true}))),
              ElementsAre(512, 0, 0, 512, 512, 0, 512));
  const auto damaged = read(gemma().with(pattern, std::vector<bool>{true, false}));
  ASSERT_FALSE(damaged);
  EXPECT_EQ(damaged.error().code, ErrorCode::kCorrupt);
}

TEST(Describe, LayersWithAWindowHavePositionsOfTheirOwn) {
  const auto spec = read(Shapes({258, 32}, "gemma3")
                             .with("gemma3.block_count", std::int64_t{6})
                             .with("gemma3.attention.sliding_window", std::int64_t{512})
                             .with("gemma3.rope.scaling.factor", 8.0));
  ASSERT_TRUE(spec) << spec.error().message;
  const auto first_frequency = [&](std::size_t layer) {
    return spec->ropes.at(static_cast<std::size_t>(*attention(spec, layer).rope)).frequencies[0];
  };
  EXPECT_FLOAT_EQ(first_frequency(0), 1.0f) << "positions of local layers are not scaled";
  EXPECT_FLOAT_EQ(first_frequency(5), 1.0f / 8);
}

// Gemma 3 report: query_pre_attn_scalar is the head's length, and dim / heads in the model of 62 layers, 27B.
TEST(Describe, TheLargestGemma3ScalesAttentionByItsWidth) {
  const auto scale = [](std::int64_t layers) {
    return attention(read(Shapes({258, 32}, "gemma3")
                              .with("gemma3.attention.sliding_window", std::int64_t{512})
                              .with("gemma3.attention.key_length", std::int64_t{4})
                              .with("gemma3.attention.value_length", std::int64_t{4})
                              .with("gemma3.block_count", layers)))
        .scale;
  };
  EXPECT_FLOAT_EQ(scale(48), 1 / std::sqrt(4.0f));
  EXPECT_FLOAT_EQ(scale(62), 1 / std::sqrt(32 / 2.0f));
}

TEST(Describe, LayersMayDiffer) {
  const auto spec = read(Shapes({258, 32})
                             .with("llama.block_count", std::int64_t{3})
                             .with("llama.attention.head_count", std::vector<std::int64_t>{2, 4, 2})
                             .with("llama.attention.head_count_kv", std::vector<std::int64_t>{2, 1, 1})
                             .with("llama.feed_forward_length", std::vector<std::int64_t>{32, 64, 96}));
  ASSERT_TRUE(spec) << spec.error().message;
  for (const auto& [layer, heads, kv_heads, hidden] : {std::tuple{0u, 2, 2, 32}, {1u, 4, 1, 64}, {2u, 2, 1, 96}}) {
    EXPECT_EQ(attention(spec, layer).heads, heads);
    EXPECT_EQ(attention(spec, layer).kv_heads, kv_heads);
    EXPECT_EQ(std::get<GatedMlp>(spec->layers[layer].feed_forward).hidden, hidden);
  }
  EXPECT_EQ(caches_of(*spec).size(), 2u) << "layers with 2 KV heads, and layers with 1";
}

TEST(Describe, AnArrayForLayersThatMustBeAlike) {
  const auto with = [](const char* key, std::vector<std::int64_t> of_layers) {
    return read(Shapes({258, 32}).with("llama.block_count", std::int64_t{3}).with(key, std::move(of_layers)));
  };
  EXPECT_EQ(attention(with("llama.attention.head_count", {2, 2, 2})).heads, 2);
  const auto differ = with("llama.attention.key_length", {16, 8, 16});
  ASSERT_FALSE(differ);
  EXPECT_EQ(differ.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(differ.error().message, HasSubstr("llama.attention.key_length is not the same for all layers"));
  const auto too_few = with("llama.attention.head_count", {2, 1});
  ASSERT_FALSE(too_few);
  EXPECT_EQ(too_few.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(too_few.error().message, HasSubstr("llama.attention.head_count is an array of 2 numbers for 3 layers"));
}

TEST(Describe, APartOfEachHeadMayBeRotatedAndValuesMayBeNarrower) {
  const auto spec = read(Shapes({258, 32})
                             .with("llama.attention.key_length", std::int64_t{24})
                             .with("llama.attention.value_length", std::int64_t{8})
                             .with("llama.rope.dimension_count", std::int64_t{12}));
  ASSERT_TRUE(spec) << spec.error().message;
  EXPECT_EQ(attention(spec).key_dim, 24);
  EXPECT_EQ(attention(spec).value_dim, 8);
  EXPECT_EQ(spec->ropes[0].frequencies.size(), 6u);
  EXPECT_FALSE(read(Shapes({258, 32}).with("llama.rope.dimension_count", std::int64_t{18}))) << "more than a head has";
  EXPECT_FALSE(read(Shapes({258, 32}).with("llama.rope.dimension_count", std::int64_t{5}))) << "half a pair";
}

TEST(Describe, AContextThatIsNotSaid) {
  EXPECT_EQ(read(Shapes({258, 32}).with("llama.context_length", std::int64_t{0}))->context, 4096);
  EXPECT_EQ(read(Shapes({258, 32}).with("llama.context_length", std::int64_t{4294967295}))->context, 1 << 26);
}

}  // namespace
}  // namespace mlxr::models
