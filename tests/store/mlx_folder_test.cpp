// What tests/core/models/test_mlx_folders.py, which has the oracle, cannot see: several files of weights.
#include "store/mlx_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/formats/checkpoint.h"
#include "platform/files.h"
#include "store/safetensors_writer.h"
#include "tests/platform/temporary_folder.h"

namespace mlxr::store {
namespace {

namespace fs = std::filesystem;
using ::testing::Each;
using ::testing::UnorderedElementsAre;

constexpr std::int64_t kDim = 32, kVocabulary = 4;

// A model of one layer whose weights are zeros.
void write_model(const fs::path& folder) {
  fs::create_directory(folder);
  const nlohmann::json config{{"model_type", "llama"},    {"hidden_size", kDim},         {"num_hidden_layers", 1},
                              {"num_attention_heads", 2}, {"intermediate_size", kDim},   {"max_position_embeddings", 64},
                              {"rms_norm_eps", 1e-5},     {"tie_word_embeddings", true}, {"vocab_size", kVocabulary}};
  const nlohmann::json tokenizer{{"added_tokens", {{{"id", 3}, {"content", "<|end|>"}, {"special", true}}}},
                                 {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
                                 {"model", {{"type", "BPE"}, {"vocab", {{"a", 0}, {"b", 1}, {"ab", 2}}}, {"merges", {"a b"}}}}};
  ASSERT_TRUE(platform::write_file_atomically(folder / "config.json", config.dump()));
  ASSERT_TRUE(platform::write_file_atomically(folder / "tokenizer.json", tokenizer.dump()));
  std::vector<formats::StoredTensor> tensors;
  const auto add = [&](const std::string& name, std::vector<std::int64_t> shape) {
    std::uint64_t bytes = sizeof(float);
    for (const auto dim : shape) bytes *= static_cast<std::uint64_t>(dim);
    tensors.push_back({.name = name + ".weight", .dtype = formats::Dtype::kF32, .shape = std::move(shape), .bytes = bytes});
  };
  add("model.embed_tokens", {kVocabulary, kDim});
  add("model.norm", {kDim});
  for (const std::string name : {"input_layernorm", "post_attention_layernorm"}) add("model.layers.0." + name, {kDim});
  for (const std::string name :
       {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"})
    add("model.layers.0." + name, {kDim, kDim});
  auto writer = SafetensorsWriter::create(folder / "model.safetensors", tensors).value();
  for (const auto& tensor : tensors) ASSERT_TRUE(writer.append(std::vector<std::byte>(tensor.bytes)));
  ASSERT_TRUE(writer.finish());
}

TEST(MlxFolder, HasSeveralFilesWhereOneWouldBeTooLarge) {
  const platform::TemporaryFolder folder;
  const auto input = folder.path / "model", output = folder.path / "packed";
  write_model(input);
  // A matrix of 32 x 32 in 4 bits has 512 bytes, and 2 floats for each row: 768 bytes.
  const auto made = write_mlx_folder(input, output, *find_mlx_packing("mlx-4bit-32"), {.shard_bytes = 2000}).value();
  std::vector<std::string> names;
  std::uint64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(output)) names.push_back(entry.path().filename().string());
  EXPECT_THAT(names, UnorderedElementsAre("config.json", "tokenizer.json", "model.safetensors.index.json",
                                          "model-00001-of-00004.safetensors", "model-00002-of-00004.safetensors",
                                          "model-00003-of-00004.safetensors", "model-00004-of-00004.safetensors"));
  const auto index = nlohmann::json::parse(platform::read_file(output / "model.safetensors.index.json", 1 << 20).value());
  EXPECT_EQ(index["metadata"]["total_size"], made.size_after);
  EXPECT_EQ(index["weight_map"]["model.layers.0.mlp.up_proj.biases"], index["weight_map"]["model.layers.0.mlp.up_proj.weight"]);
  EXPECT_NE(index["weight_map"]["model.norm.weight"], index["weight_map"]["model.layers.0.mlp.up_proj.weight"]);

  const auto packed = formats::Checkpoint::open(output).value();
  EXPECT_EQ(packed->tensors().size(), 11u);
  for (const auto& tensor : packed->tensors()) {
    bytes += tensor.elements();
    const auto values = tensor.values().value();
    EXPECT_THAT(values, Each(0.0f)) << tensor.name;
  }
  EXPECT_NEAR(made.bits_per_weight, static_cast<double>(made.size_after) * 8 / static_cast<double>(bytes), 1e-9);
}

TEST(MlxFolder, IsNotLeftInPart) {
  const platform::TemporaryFolder folder;
  write_model(folder.path / "model");
  const std::atomic<bool> cancelled = true;
  const auto stopped =
      write_mlx_folder(folder.path / "model", folder.path / "packed", *find_mlx_packing("mlx-8bit-32"), {.cancelled = &cancelled});
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path), fs::directory_iterator()), 1);
}

TEST(MlxFolder, HasTheTypesOfMlx) {
  EXPECT_EQ(find_mlx_packing("mlx-4bit")->group, 64);
  EXPECT_EQ(find_mlx_packing("mlx-6bit-128")->bits, 6);
  EXPECT_EQ(find_mlx_packing("mlx-mxfp4")->mode, formats::MlxMode::kMxfp4);
  for (const auto* name : {"mlx-7bit", "mlx-1bit", "mlx-4bit-16", "mlx-4bit-", "mlx-", "mlx", "Q4_K_M", "mlx-mxfp4-32"})
    EXPECT_FALSE(find_mlx_packing(name)) << name;
}

}  // namespace
}  // namespace mlxr::store
