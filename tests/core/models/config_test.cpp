// Descriptions that no file of a reasonable size could have; the others are in tests/core/formats/hostile_gguf.py (impossible models).
#include "core/models/config.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mlxr::models {
namespace {

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

Result<Config> read(const Shapes& file) { return read_config(file.metadata(), file.tensors()); }

TEST(Config, CountsTheRowsOfTheEmbeddings) {
  const auto config = read(Shapes({258, 32}));
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->vocabulary, 258);
  EXPECT_EQ(config->head_dim, 16);
  EXPECT_EQ(config->kv_heads, 2);
}

TEST(Config, RefusesMoreTokensThanAnIntCounts) {
  for (const std::int64_t rows : {std::int64_t{1} << 32 | 258, std::int64_t{1} << 31, (std::int64_t{1} << 24) + 1}) {
    const auto config = read(Shapes({rows, 32}));
    ASSERT_FALSE(config) << rows;
    EXPECT_EQ(config.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(config.error().message, HasSubstr("at most 16777216"));
  }
}

// A key that changes what is computed is understood, or the model is refused by the key's name.
TEST(Config, RefusesWhatItDoesNotUnderstand) {
  const auto says = [](const std::string& key, formats::Value value) {
    const auto config = read(Shapes({258, 32}).with(key, std::move(value)));
    return config ? std::string("accepted") : config.error().message;
  };
  EXPECT_THAT(says("llama.brand_new", true), HasSubstr("does not know the key 'llama.brand_new'"));
  EXPECT_THAT(says("llama.attention.causal", false), HasSubstr("attention that is not causal"));
  EXPECT_EQ(says("llama.attention.causal", true), "accepted");
  EXPECT_THAT(says("llama.final_logit_softcapping", 30.0), HasSubstr("soft-capping of logits"));
  EXPECT_EQ(says("llama.final_logit_softcapping", 0.0), "accepted");
  EXPECT_THAT(says("llama.rope.scaling.type", std::string_view("longrope")), HasSubstr("RoPE scaling 'longrope'"));
  EXPECT_EQ(says("tokenizer.brand_new", true), "accepted") << "not of the architecture";
  EXPECT_EQ(says("llama.attention.sliding_window", std::int64_t{4096}), "accepted") << "Mistral v0.1, as llama.cpp runs it";
}

TEST(Config, ScalesRopeInAllSpellings) {
  const auto second = [](Shapes file) { return (*read(file)->rope_global)[1]; };
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

TEST(Config, AFamilyWithWindowsMustSayTheirSize) {
  const auto gemma = [] { return Shapes({258, 32}, "gemma3"); };
  const auto missing = read(gemma());
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr("gemma3.attention.sliding_window is missing"));

  const auto config = read(gemma().with("gemma3.attention.sliding_window", std::int64_t{512}).with("gemma3.rope.scaling.factor", 8.0));
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->window, 512);
  EXPECT_TRUE(config->is_local(0));
  EXPECT_FALSE(config->is_local(5));
  EXPECT_FLOAT_EQ((*config->rope_local)[0], 1.0f) << "positions of local layers are not scaled";
  EXPECT_FLOAT_EQ((*config->rope_global)[0], 1.0f / 8);

  const auto every_second = read(
      gemma().with("gemma3.attention.sliding_window", std::int64_t{512}).with("gemma3.attention.sliding_window_pattern", std::int64_t{2}));
  ASSERT_TRUE(every_second);
  EXPECT_FALSE(every_second->is_local(1));
  const auto irregular = read(gemma()
                                  .with("gemma3.attention.sliding_window", std::int64_t{512})
                                  .with("gemma3.attention.sliding_window_pattern", std::vector<bool>{false}));
  ASSERT_FALSE(irregular);
  EXPECT_EQ(irregular.error().code, ErrorCode::kUnsupported);
}

// Gemma 3 report: query_pre_attn_scalar is the head's length, and dim / heads in the model of 62 layers, 27B.
TEST(Config, TheLargestGemma3ScalesAttentionByItsWidth) {
  const auto scale = [](std::int64_t layers) {
    const auto config = read(Shapes({258, 32}, "gemma3")
                                 .with("gemma3.attention.sliding_window", std::int64_t{512})
                                 .with("gemma3.attention.key_length", std::int64_t{4})
                                 .with("gemma3.attention.value_length", std::int64_t{4})
                                 .with("gemma3.block_count", layers));
    return config ? config->attention_scale : -1;
  };
  const auto width = read(Shapes({258, 32}));
  EXPECT_FLOAT_EQ(scale(48), 1 / std::sqrt(4.0f));
  EXPECT_FLOAT_EQ(scale(62), 1 / std::sqrt(static_cast<float>(width->dim / width->heads)));
  EXPECT_NE(width->dim / width->heads, 4);
}

TEST(Config, AnArrayOfEqualNumbersIsThatNumber) {
  const auto heads = [](std::vector<std::int64_t> of_layers) {
    return read(Shapes({258, 32}).with("llama.attention.head_count", std::move(of_layers)));
  };
  EXPECT_EQ(heads({2, 2, 2})->heads, 2);
  const auto differ = heads({2, 1});
  ASSERT_FALSE(differ);
  EXPECT_EQ(differ.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(differ.error().message, HasSubstr("llama.attention.head_count is not the same for all layers"));
}

TEST(Config, AContextThatIsNotSaid) {
  EXPECT_EQ(read(Shapes({258, 32}).with("llama.context_length", std::int64_t{0}))->context, 4096);
  EXPECT_EQ(read(Shapes({258, 32}).with("llama.context_length", std::int64_t{4294967295}))->context, 1 << 26);
}

}  // namespace
}  // namespace mlxr::models
