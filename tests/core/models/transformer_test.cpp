// A batch of several sequences gives each of them the logits that it has alone; the last layer computes only the rows that are wanted.
#include "core/models/transformer.h"

#include <gtest/gtest.h>
#include <mlx/ops.h>
#include <mlx/transforms.h>

#include <cstdlib>

#include "core/kv/cache.h"
#include "core/ops/forwarding_ops.h"
#include "core/ops/pack.h"
#include "tests/core/engine/tiny_model.h"
#include "tests/core/models/made_up_model.h"
#include "tests/core/ops/arrays.h"
#include "tests/platform/temporary_folder.h"

namespace mlxr::models {
namespace {

// The types with kernels of their own, or all that there are.
constexpr quant::Type kTypes[] = {quant::Type::kF32,  quant::Type::kF16,  quant::Type::kBF16, quant::Type::kQ4_0,
                                  quant::Type::kQ4_1, quant::Type::kQ5_0, quant::Type::kQ5_1, quant::Type::kQ8_0,
                                  quant::Type::kQ4_K, quant::Type::kQ5_K, quant::Type::kQ6_K};

// In place of a window: the layers are recurrent but for one.
constexpr std::uint32_t kRecurrent = 1;

// A variant of the pack or "mlx", the type of weights, that of the cache, and the window of every other layer.
using Kind = std::tuple<const char*, quant::Type, quant::Type, std::uint32_t>;

ModelSpec recurrent() {
  ModelSpec spec{
      .architecture = "made up", .dim = 64, .vocabulary = kTinyVocabulary, .context = 256, .norm_eps = 1e-5f, .inner_eps = 1e-5f};
  spec.ropes = {{.frequencies = std::vector<float>(16, 0.3f)}};
  const Attention attention{.heads = 4, .kv_heads = 2, .key_dim = 32, .value_dim = 32, .rope = 0, .scale = 0.2f, .gated = true};
  LinearAttention delta{
      .scan = {.heads = 4, .key_dim = 24, .value_dim = 40, .key_heads = 2, .key_at = 48, .value_at = 96}, .taps = 4, .delta = true};
  LinearAttention mamba{.scan = {.heads = 4, .key_dim = 24, .value_dim = 40, .key_heads = 1, .query_at = 184, .key_at = 160}, .taps = 4};
  for (const Mixer& mixer : {Mixer(delta), Mixer(attention), Mixer(mamba), Mixer(ShortConvolution{3})})
    spec.layers.push_back({mixer, GatedMlp{96, ops::Activation::kSilu}});
  return spec;
}

// A model, and sequences that are at different places in their text.
class Batches : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    const auto& [variant, type, cache_type, window] = GetParam();
    ops_ = ops::make_mlx_ops();
    if (variant != std::string("mlx")) {
      auto pack = ops::KernelPack::load(std::getenv("MLXR_KERNEL_PACK"), variant, 2);
      if (!pack && pack.error().code == ErrorCode::kUnsupported) GTEST_SKIP() << "this processor cannot run " << variant;
      ops_ = ops::make_pack_ops(pack.value());
    }
    const auto path = folder_.path / "m.gguf";
    Description description;
    if (window == kRecurrent) {
      description = {recurrent(), bind_gguf(recurrent(), {})};
      write_made_up_model(path, description.bindings);
    } else {
      auto shape = window == 0 ? TinyShape{} : tiny_with_windows(window);
      shape.dim = shape.hidden = 256;
      shape.type = type;
      write_tiny_model(path, shape);
    }
    file_ = formats::Checkpoint::open(path).value();
    if (window != kRecurrent) description = describe(file_->metadata(), file_->tensors()).value();
    panels_ = ops::Panels::open(description.bindings.parts(*file_), *ops_, {}).value();
    model_ = Transformer::load(description, *file_, ops_, *panels_, {.block_tokens = kv::kBlockTokens}).value();
  }

  kv::Cache cache(int blocks) const { return kv::Cache(kv::kinds_of(model_->spec(), std::get<2>(GetParam()), blocks), 512, *ops_); }
  static kv::Pages pages_for(kv::Cache& cache, int tokens) {
    kv::Pages pages;
    EXPECT_TRUE(cache.extend(pages, 0, tokens));
    return pages;
  }
  static std::int32_t token(int sequence, int position) { return (sequence * 37 + position * 11) % 250; }
  // Adds tokens [from, to) of a sequence.
  static void add(ops::Batch& batch, int sequence, int from, int to, const kv::Pages& pages, int wanted = 1) {
    std::vector<std::int32_t> tokens;
    for (int p = from; p < to; ++p) tokens.push_back(token(sequence, p));
    batch.append(tokens, from, pages, kv::kBlockTokens, wanted);
  }
  ops::mx::array run(ops::Batch batch, kv::Cache& cache) const {
    auto y = *model_->forward(std::move(batch), cache.layers());
    auto results = cache.arrays();
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
  constexpr int kMost = 17;
  const auto before = [](int s) { return 1 + (s * 13) % 40; };                         // tokens of a sequence before the step
  const auto after = [&](int s) { return before(s) + (s % 3 == 0 ? 1 : 1 + s % 5); };  // and after it: an answer goes on, or a prompt
  std::vector<ops::mx::array> alone;
  for (int s = 0; s < kMost; ++s) {
    auto own = cache(2);
    ops::Batch all;
    add(all, s, 0, after(s), pages_for(own, after(s)));
    alone.push_back(run(all, own));
  }
  for (int sequences = 1; sequences <= kMost; ++sequences) {
    auto shared = cache(2 * sequences);
    ops::Batch history, step;
    std::vector<kv::Pages> pages;
    for (int s = 0; s < sequences; ++s) {
      pages.push_back(pages_for(shared, after(s)));
      add(history, s, 0, before(s), pages.back());
    }
    run(history, shared);
    for (int s = 0; s < sequences; ++s) add(step, s, before(s), after(s), pages[static_cast<std::size_t>(s)]);
    const auto together = run(step, shared);
    ASSERT_EQ(together.shape(), (ops::mx::Shape{sequences, kTinyVocabulary}));
    for (int s = 0; s < sequences; ++s)
      EXPECT_EQ(ops::error(ops::mx::slice(together, {s, 0}, {s + 1, kTinyVocabulary}), alone[static_cast<std::size_t>(s)]), 0)
          << s << " of " << sequences;
  }
}

// Which logits are wanted changes neither what a prompt stores nor the logits of its last token.
TEST_P(Batches, WantingFewerLogitsChangesNothingElse) {
  constexpr int kPrompt = 40;
  const auto after_prompt = [&](int wanted) {
    auto own = cache(2);
    const auto pages = pages_for(own, kPrompt + 1);
    ops::Batch prompt, next;
    add(prompt, 0, 0, kPrompt, pages, wanted);
    add(next, 0, kPrompt, kPrompt + 1, pages);
    const auto logits = model_->forward(std::move(prompt), own.layers());
    EXPECT_EQ(logits.has_value(), wanted > 0);
    ops::mx::eval(own.arrays());
    return std::pair{run(next, own), logits};
  };
  const auto [want, all] = after_prompt(kPrompt);
  const auto [with_last, last] = after_prompt(1);
  const auto [with_none, none] = after_prompt(0);
  EXPECT_EQ(ops::error(with_last, want), 0);
  EXPECT_EQ(ops::error(with_none, want), 0);
  EXPECT_EQ(last->shape(), (ops::mx::Shape{1, kTinyVocabulary}));
  EXPECT_LT(ops::error(*last, ops::mx::slice(*all, {kPrompt - 1, 0}, {kPrompt, kTinyVocabulary})), 1e-5);
}

// Counts the rows that pass through an MLP.
class CountingOps final : public ops::ForwardingOps {
 public:
  CountingOps() : ForwardingOps(ops::make_mlx_ops()) {}
  ops::mx::array gated_mlp(const ops::Step& step, const ops::mx::array& x, const ops::Weight& gate, const ops::Weight& up,
                           ops::Activation activation) const override {
    rows += x.shape(0);
    return ForwardingOps::gated_mlp(step, x, gate, up, activation);
  }
  mutable int rows = 0;
};

TEST(Transformer, TheLastLayerComputesOnlyTheRowsWhoseLogitsAreWanted) {
  platform::TemporaryFolder folder;
  write_tiny_model(folder.path / "m.gguf", {.layers = 3});
  const auto file = formats::Checkpoint::open(folder.path / "m.gguf").value();
  const auto ops = std::make_shared<CountingOps>();
  const auto panels = ops::Panels::open(file->tensors(), *ops, {}).value();
  const auto description = describe(file->metadata(), file->tensors()).value();
  const auto model = Transformer::load(description, *file, ops, *panels, {.block_tokens = kv::kBlockTokens}).value();
  for (const auto& [wanted, rows] : {std::pair{0, 2 * 40}, {1, 2 * 40 + 1}, {40, 3 * 40}}) {
    kv::Cache cache(kv::kinds_of(description.spec, quant::Type::kF16, 2), 512, *ops);
    kv::Pages pages;
    ASSERT_TRUE(cache.extend(pages, 0, 40));
    ops::Batch batch;
    batch.append(std::vector<std::int32_t>(40, 7), 0, std::move(pages), kv::kBlockTokens, wanted);
    ops->rows = 0;
    model->forward(std::move(batch), cache.layers());
    EXPECT_EQ(ops->rows, rows);
  }
}

std::string name_of(const ::testing::TestParamInfo<Kind>& test) {
  const auto& [variant, type, cache_type, window] = test.param;
  return std::string(variant) + "_" + std::string(quant::traits(type).name) + "_cache_" + std::string(quant::traits(cache_type).name) +
         (window == 0            ? ""
          : window == kRecurrent ? "_recurrent"
                                 : "_windows");
}

using ::testing::Combine;
using ::testing::Values;
using ::testing::ValuesIn;

INSTANTIATE_TEST_SUITE_P(Expressions, Batches,
                         Combine(Values("mlx"), Values(quant::Type::kF32, quant::Type::kQ4_K), Values(quant::Type::kF16), Values(0u, 16u)),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Pack, Batches,
                         Combine(Values("scalar", "avx2", "avx512", "amx", "neon"), ValuesIn(kTypes),
                                 Values(quant::Type::kF16, quant::Type::kQ8_0), Values(0u, 16u)),
                         name_of);

INSTANTIATE_TEST_SUITE_P(Recurrent, Batches,
                         Combine(Values("mlx", "scalar", "avx2", "avx512", "amx", "neon"), Values(quant::Type::kF32),
                                 Values(quant::Type::kF16), Values(kRecurrent)),
                         name_of);

}  // namespace
}  // namespace mlxr::models
