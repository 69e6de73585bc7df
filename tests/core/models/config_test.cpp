// What no file of a reasonable size can hold; the rest is in tests/core/formats/hostile_gguf.py (impossible models).
#include "core/models/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mlxr::models {
namespace {

using ::testing::HasSubstr;

// A checkpoint of nothing but shapes.
class Shapes final : public formats::Checkpoint {
 public:
  explicit Shapes(std::vector<std::int64_t> embeddings) : tensors_{{"token_embd.weight", quant::Type::kF32, std::move(embeddings), {}}} {
    metadata_.insert("general.architecture", "llama");
    const std::pair<const char*, std::int64_t> kIntegers[] = {
        {"block_count", 1}, {"embedding_length", 32}, {"attention.head_count", 2}, {"feed_forward_length", 32}, {"context_length", 64}};
    for (const auto& [key, value] : kIntegers) metadata_.insert(std::string("llama.") + key, value);
    metadata_.insert("llama.attention.layer_norm_rms_epsilon", 1e-5);
  }

  const formats::Metadata& metadata() const override { return metadata_; }
  std::span<const formats::Tensor> tensors() const override { return tensors_; }
  const formats::Tensor* find(std::string_view name) const override { return name == tensors_[0].name ? tensors_.data() : nullptr; }
  std::uint64_t file_size() const override { return 0; }

 private:
  formats::Metadata metadata_;
  std::vector<formats::Tensor> tensors_;
};

TEST(Config, CountsTheRowsOfTheEmbeddings) {
  const auto config = read_config(Shapes({258, 32}));
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->vocabulary, 258);
  EXPECT_EQ(config->head_dim, 16);
  EXPECT_EQ(config->kv_heads, 2);
}

TEST(Config, RefusesMoreTokensThanAnIntCounts) {
  for (const std::int64_t rows : {std::int64_t{1} << 32 | 258, std::int64_t{1} << 31, (std::int64_t{1} << 24) + 1}) {
    const auto config = read_config(Shapes({rows, 32}));
    ASSERT_FALSE(config) << rows;
    EXPECT_EQ(config.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(config.error().message, HasSubstr("at most 16777216"));
  }
}

}  // namespace
}  // namespace mlxr::models
