// What cannot be run is refused from the beginning of a file, before the rest of it is fetched: also for its tokenizer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mlxrunner/can_run.h>

#include <fstream>
#include <iterator>

#include "tests/core/engine/tiny_model.h"
#include "tests/platform/temporary_folder.h"

namespace mlxr {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;

// The beginning of a tiny model, up to its tensors' data, with one text in place of another of the same length.
std::string beginning(std::string_view text = "", std::string_view other = "") {
  const platform::TemporaryFolder folder;
  write_tiny_model(folder.path / "m.gguf");
  std::ifstream in(folder.path / "m.gguf", std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  if (!text.empty()) bytes.replace(bytes.find(text), text.size(), other);
  bytes.resize(12 << 10);
  return bytes;
}

// The first of two shards, without tensors.
std::string first_shard(std::string_view pre) {
  using namespace formats;
  return GgufBuilder()
      .key("general.architecture", "llama")
      .key("split.no", kU16, std::uint16_t{0})
      .key("split.count", kU16, std::uint16_t{2})
      .key("tokenizer.ggml.model", "gpt2")
      .key("tokenizer.ggml.pre", pre)
      .raw_key("tokenizer.ggml.tokens", kArray, tiny::tokens())
      .raw_key("tokenizer.ggml.token_type", kArray, tiny::token_types())
      .raw_key("tokenizer.ggml.merges", kArray, Bytes().add(std::uint32_t{kString}).add(std::uint64_t{1}).text("a b").str())
      .key("tokenizer.ggml.eos_token_id", kU32, std::uint32_t{257})
      .bytes();
}

std::string verdict(const std::string& head) {
  const auto result = can_run(std::as_bytes(std::span(head)), std::uint64_t{1} << 30, "m.gguf");
  if (!result) return "too short";
  return *result ? "runs" : result->error().message;
}

TEST(CanRun, SaysYesFromTheBeginningOfAFile) {
  EXPECT_EQ(verdict(beginning()), "runs");
  EXPECT_EQ(verdict(beginning().substr(0, 1000)), "too short");
}

TEST(CanRun, AModelWhoseTokenizerCannotBeMadeIsRefused) {
  EXPECT_THAT(verdict(beginning("default", "unknown")),
              HasSubstr("pre-tokenizer 'unknown' (tokenizer.ggml.pre) is not one that MLXR knows"));
  EXPECT_THAT(verdict(beginning("gpt2", "rwkv")), HasSubstr("tokenizer is of the kind 'rwkv'"));
  EXPECT_THAT(verdict(beginning("a b", "a c")), HasSubstr("merge"));
}

TEST(CanRun, TheFirstShardHasTheTokenizerOfAll) {
  EXPECT_EQ(verdict(first_shard("default")), "runs");
  EXPECT_THAT(verdict(first_shard("unknown")), HasSubstr("pre-tokenizer 'unknown'"));
}

}  // namespace
}  // namespace mlxr
