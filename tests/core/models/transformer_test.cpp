// A batch of several sequences gives each of them the logits that it has alone.
#include "core/models/transformer.h"

#include <gtest/gtest.h>
#include <mlx/ops.h>
#include <mlx/transforms.h>

#include <cstdlib>

#include "core/kv/arena.h"
#include "core/ops/pack.h"
#include "tests/core/engine/tiny_model.h"
#include "tests/core/ops/arrays.h"
#include "tests/platform/temporary_folder.h"

namespace mlxr::models {
namespace {

using Logits = Transformer::Logits;

// A model, and sequences that are at different places in their text.
class Batches : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    ops_ = ops::make_mlx_ops();
    if (GetParam() != std::string("mlx")) {
      auto pack = ops::KernelPack::load(std::getenv("MLXR_KERNEL_PACK"), GetParam(), 2);
      if (!pack && pack.error().code == ErrorCode::kUnsupported) GTEST_SKIP() << "this processor cannot run " << GetParam();
      ops_ = ops::make_pack_ops(pack.value());
    }
    write_tiny_model(folder_.path / "m.gguf");
    file_ = formats::Checkpoint::open(folder_.path / "m.gguf").value();
    panels_ = ops::Panels::open(file_->tensors(), *ops_, {}).value();
    model_ = Transformer::load(*file_, ops_, *panels_).value();
  }

  kv::Arena arena(int blocks) const {
    const auto& c = model_->config();
    return kv::Arena({c.layers, c.kv_heads, c.head_dim}, blocks, *ops_);
  }
  static std::int32_t token(int sequence, int position) { return (sequence * 37 + position * 11) % 250; }
  // Adds tokens [from, to) of a sequence.
  static void add(ops::Batch& batch, int sequence, int from, int to, const std::vector<std::int32_t>& pages) {
    batch.sequences.push_back({static_cast<int>(batch.tokens.size()), to - from, to, pages});
    for (int p = from; p < to; ++p) {
      batch.tokens.push_back(token(sequence, p));
      batch.positions.push_back(p);
      batch.slots.push_back(pages[static_cast<std::size_t>(p / kv::kBlockTokens)] * kv::kBlockTokens + p % kv::kBlockTokens);
    }
  }
  ops::mx::array run(ops::Batch batch, kv::Arena& arena, Logits logits) const {
    auto y = *model_->forward(std::make_shared<const ops::Batch>(std::move(batch)), arena.layers(), logits);
    auto results = arena.arrays();
    results.push_back(y);
    ops::mx::eval(results);
    return y;
  }

  platform::TemporaryFolder folder_;
  std::shared_ptr<const ops::Ops> ops_;
  std::shared_ptr<const formats::Checkpoint> file_;
  std::unique_ptr<ops::Panels> panels_;
  std::unique_ptr<const Transformer> model_;
};

TEST_P(Batches, EachSequenceHasTheLogitsThatItHasAlone) {
  for (const int sequences : {1, 3, 17}) {
    auto shared = arena(2 * sequences);
    ops::Batch history, step;
    std::vector<std::vector<std::int32_t>> pages;
    std::vector<std::pair<int, int>> parts;  // before this step, after it
    for (int s = 0; s < sequences; ++s) {
      const int before = 1 + (s * 13) % 40, after = before + (s % 3 == 0 ? 1 : 1 + s % 5);
      parts.emplace_back(before, after);
      pages.push_back(*shared.reserve(after));
      add(history, s, 0, before, pages.back());
      add(step, s, before, after, pages.back());
    }
    run(history, shared, Logits::kLast);
    const auto together = run(step, shared, Logits::kLast);
    ASSERT_EQ(together.shape(), (ops::mx::Shape{sequences, kTinyVocabulary}));
    for (int s = 0; s < sequences; ++s) {
      auto own = arena(2);
      const auto own_pages = *own.reserve(parts[static_cast<std::size_t>(s)].second);
      ops::Batch all;
      add(all, s, 0, parts[static_cast<std::size_t>(s)].second, own_pages);
      const auto alone = run(all, own, Logits::kLast);
      EXPECT_LT(ops::error(ops::mx::slice(together, {s, 0}, {s + 1, kTinyVocabulary}), alone), 2e-3)
          << s << " of " << sequences;  // float16 cache
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Variants, Batches, ::testing::Values("mlx", "scalar", "avx2", "avx512", "amx", "neon"),
                         [](const auto& variant) { return std::string(variant.param); });

}  // namespace
}  // namespace mlxr::models
