// Mixtures of experts that are larger than memory: which are loaded all the same, and what is said of those that are not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mlxrunner/engine.h>

#include <csignal>
#include <cstdlib>

#include <sys/resource.h>

#include "tests/core/engine/answers.h"
#include "tests/core/engine/tiny_model.h"
#include "tests/platform/temporary_folder.h"

namespace mlxr {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::uint64_t kMiB = 1 << 20;

class PagingTest : public ::testing::Test {
 protected:
  PagingTest() { write_tiny_model(file_, tiny_mixture()); }

  static std::unique_ptr<Engine> open(std::string kernels) {
    return Engine::open({.threads = 2, .kv_bytes = kMiB, .kernels = std::move(kernels), .kernel_pack = std::getenv("MLXR_KERNEL_PACK")})
        .value();
  }
  LoadOptions options(std::uint64_t memory) const { return {.panel_folder = panels_, .digest = std::string(64, 'a'), .memory = memory}; }
  Error refusal(const LoadOptions& options) {
    const auto refused = engine_->load(file_, options);
    if (!refused) return refused.error();
    ADD_FAILURE() << "the model was loaded";
    return {};
  }
  std::vector<TokenId> answer(const std::shared_ptr<Model>& model) {
    Request request{.prompt = prompt(40), .max_tokens = 20, .sampling = {.temperature = 0}, .ignore_end = true};
    auto reply = engine_->submit(model, request).value();
    return read(reply).tokens;
  }

  const platform::TemporaryFolder folder_;
  const std::filesystem::path file_ = folder_.path / "mixture.gguf", panels_ = folder_.path / "panels";
  const std::unique_ptr<Engine> engine_ = open("auto");
};

// Each of two layers has 28 experts of three matrices of 512 x 256, and a token takes 3.
TEST_F(PagingTest, ATokenReadsAllButTheExpertsThatItDoesNotTake) {
  constexpr std::uint64_t kIdleValues = 2 * 25 * 3 * 512 * 256;
  const auto of_expressions = open("mlx")->load(file_).value()->info();  // which take float32
  EXPECT_EQ(of_expressions.weight_bytes, 4 * of_expressions.parameters);
  EXPECT_EQ(of_expressions.active_bytes, 4 * (of_expressions.parameters - kIdleValues));
  const auto of_pack = engine_->load(file_).value()->info();
  EXPECT_EQ(of_pack.weight_bytes - of_pack.active_bytes, kIdleValues / 32 * 34);  // Q8_0: 32 values and their scale
  EXPECT_FALSE(of_pack.is_paged);
  EXPECT_EQ(of_pack.memory_bytes(), of_pack.weight_bytes + of_pack.kv_bytes);

  write_tiny_model(file_, {});
  const auto dense = engine_->load(file_).value()->info();
  EXPECT_EQ(dense.active_bytes, dense.weight_bytes);
}

TEST_F(PagingTest, AMixtureThatIsLargerThanMemoryAnswersAsInMemory) {
  const auto in_memory = engine_->load(file_, options(64 * kMiB)).value();
  const auto expected = answer(in_memory);
  EXPECT_EQ(expected.size(), 20);
  std::filesystem::remove_all(panels_);
  for (const char* panels : {"made", "kept"}) {
    const auto paged = engine_->load(file_, options(8 * kMiB)).value();
    EXPECT_TRUE(paged->info().is_paged) << panels;
    EXPECT_EQ(paged->info().memory_bytes(), paged->info().active_bytes + paged->info().kv_bytes);
    EXPECT_EQ(paged->info().unpaged_why, "");
    EXPECT_THAT(paged->info().warning, AllOf(HasSubstr("The weights take 22 MiB, more than the 7 MiB of memory that the KV cache leaves"),
                                             HasSubstr("a token reads 2 MiB of them"), HasSubstr("read from disk")));
    EXPECT_EQ(answer(paged), expected) << panels;
  }
}

// ollama/ollama#12615: a mixture was read into memory although it was asked to be mapped, and the machine ran out of it.
TEST_F(PagingTest, WhereItCannotBeKeptItIsRefusedWithTheReason) {
  auto no_folder = options(8 * kMiB), small_limit = options(8 * kMiB);
  no_folder.panel_folder.clear();
  small_limit.panel_limit = 10 * kMiB;
  for (const auto& [asked, reason] :
       {std::pair{no_folder, "There is no folder where repacked weights are kept"},
        {small_limit, "take 22 MiB, and the limit of their cache is 10 MiB. Raise `cache` in server.yaml."}}) {
    const auto error = refusal(asked);
    EXPECT_EQ(error.code, ErrorCode::kOverloaded);
    EXPECT_THAT(error.message,
                AllOf(HasSubstr("needs 22 MiB of memory"), HasSubstr("Its experts cannot be read from disk"), HasSubstr(reason)));
  }
  const auto expressions = open("mlx")->load(file_, options(8 * kMiB));
  ASSERT_FALSE(expressions);
  EXPECT_THAT(expressions.error().message, HasSubstr("The kernel pack is not in use"));
}

// A disk that fills up after the model was admitted: it is not loaded into memory instead.
TEST_F(PagingTest, OnAFullDiskItIsRefused) {
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const rlimit limit{kMiB, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &limit);
  const auto error = refusal(options(8 * kMiB));
  ::setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(error.code, ErrorCode::kNoSpace);
  EXPECT_THAT(error.message, HasSubstr("cannot be kept in " + panels_.string()));
  EXPECT_TRUE(std::filesystem::is_empty(panels_));
}

TEST_F(PagingTest, WhatEachTokenReadsMustFit) {
  const auto error = refusal(options(kMiB));
  EXPECT_EQ(error.code, ErrorCode::kOverloaded);
  EXPECT_THAT(error.message, AllOf(HasSubstr("needs 2 MiB of memory for its weights"), HasSubstr("has 1 MiB")));
}

TEST_F(PagingTest, AModelWithoutExpertsIsRefusedAsEver) {
  write_tiny_model(file_, {.dim = 256, .heads = 4, .hidden = 8192, .type = quant::Type::kQ8_0});
  const auto error = refusal(options(8 * kMiB));
  EXPECT_EQ(error.message, "mixture.gguf needs 13 MiB of memory for its weights, and this machine has 8 MiB.");
}

}  // namespace
}  // namespace mlxr
