// MLX expressions are the definition; every variant of the kernel pack that this machine runs must agree with them.
#include "core/ops/ops.h"

#include <gtest/gtest.h>
#include <mlx/allocator.h>
#include <mlx/ops.h>
#include <mlx/transforms.h>

#include <cmath>
#include <cstdlib>

#include "core/ops/pack.h"
#include "tests/core/ops/arrays.h"

namespace mlxr::ops {
namespace {

using quant::Type;

// A matrix of F32 rows, as a checkpoint would hold it.
struct Matrix {
  Matrix(int n, int k, std::uint64_t seed)
      : data(values(random({n, k}, seed))),
        source(std::as_bytes(std::span(data))),
        tensor{"w", Type::kF32, {n, k}, 0, sizeof(float) * data.size(), &source} {}
  // As the operations want it.
  Weight prepare(const Ops& ops) const {
    const auto panels = Panels::open({&tensor, 1}, ops, {}).value();
    return ops.prepare(tensor, *panels).value();
  }
  std::vector<float> data;
  formats::MemorySource source;
  formats::Tensor tensor;
};

// The last `count` tokens of a sequence of `length`.
struct Part {
  int count, length;
};

// Some sequences, some of them with a whole prompt and some in the middle of an answer, on pages that are out of order and that no two
// share. Page 0 of the arena belongs to none of them.
BatchPtr batch_of(const std::vector<Part>& parts, int block_tokens) {
  const auto pages_of = [&](const Part& part) { return (part.length + block_tokens - 1) / block_tokens; };
  int page = 0;
  for (const auto& part : parts) page += pages_of(part);
  auto batch = std::make_shared<Batch>();
  for (const auto& part : parts) {
    std::vector<std::int32_t> tokens, pages;
    for (int i = 0; i < part.count; ++i) tokens.push_back(i % 5);
    for (int i = 0; i < pages_of(part); ++i) pages.push_back(page--);
    batch->append(tokens, part.length - part.count, pages, block_tokens);
  }
  return batch;
}

class OpsAgree : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    auto pack = KernelPack::load(std::getenv("MLXR_KERNEL_PACK"), GetParam(), 2);
    if (!pack && pack.error().code == ErrorCode::kUnsupported) GTEST_SKIP() << "this processor cannot run " << GetParam();
    ASSERT_TRUE(pack) << pack.error().message;
    pack_ = make_pack_ops(*pack);
  }
  std::unique_ptr<const Ops> mlx_ = make_mlx_ops(), pack_;
};

TEST_P(OpsAgree, EmbedAndGemm) {
  Matrix table(7, 64, 1), a(33, 64, 2), b(5, 64, 3);
  const auto batch = batch_of({{6, 6}}, 4);
  const auto both = [&](const Ops& ops) {
    auto wt = table.prepare(ops), wa = a.prepare(ops), wb = b.prepare(ops);
    wb.bias = random({5}, 9);
    const auto x = ops.embed(batch, wt, 2.5f);
    const auto y = ops.q_gemm(x, {&wa, &wb});
    return std::vector{x, y[0], y[1], ops.q_gemm(x, wa, random({6, 33}, 4))};
  };
  const auto want = both(*mlx_), got = both(*pack_);
  EXPECT_EQ(error(got[0], want[0]), 0);
  for (int i = 1; i < 4; ++i) EXPECT_LT(error(got[i], want[i]), 1e-5) << i;
}

TEST_P(OpsAgree, GatedMlp) {
  Matrix gate(50, 64, 1), up(50, 64, 2);
  for (const auto activation : {Activation::kSilu, Activation::kGeluTanh}) {
    const auto run = [&](const Ops& ops) { return ops.gated_mlp(random({3, 64}, 5), gate.prepare(ops), up.prepare(ops), activation); };
    EXPECT_LT(error(run(*pack_), run(*mlx_)), 1e-5);
  }
}

TEST_P(OpsAgree, Norm) {
  const auto x = random({5, 3 * 48}, 1), weight = random({48}, 2), residual = random({5, 3 * 48}, 3);
  EXPECT_LT(error(pack_->rms_norm(x, weight, 1e-6f), mlx_->rms_norm(x, weight, 1e-6f)), 1e-5);
  EXPECT_LT(error(pack_->rms_norm(x, weight, 1e-6f, residual), mlx_->rms_norm(x, weight, 1e-6f, residual)), 1e-5);
}

// Angles are float32, so that far into a text they are coarse: by half a unit in the last place of `position` radians, which no
// implementation can help. Both must be as good as that, and agree with each other as well as sines of the same angle do.
TEST_P(OpsAgree, RopeInBothPairingsNearAndFar) {
  auto frequencies = std::make_shared<std::vector<float>>();
  for (int i = 0; i < 16; ++i) frequencies->push_back(std::pow(10000.0f, -i / 16.0f));
  const auto x = random({9, 4 * 32}, 3);
  for (const int length : {1009, 8200, 131072}) {
    for (const bool interleaved : {false, true}) {
      const auto batch = batch_of({{9, length}}, 16);
      const auto in = values(x);
      std::vector<float> want(in.size());
      for (std::size_t row = 0; row < 9 * 4; ++row) {
        for (std::size_t i = 0; i < 16; ++i) {
          const double angle = static_cast<double>(batch->positions[row / 4]) * (*frequencies)[i];
          const std::size_t a = row * 32 + (interleaved ? 2 * i : i), b = a + (interleaved ? 1 : 16);
          want[a] = static_cast<float>(in[a] * std::cos(angle) - in[b] * std::sin(angle));
          want[b] = static_cast<float>(in[a] * std::sin(angle) + in[b] * std::cos(angle));
        }
      }
      const mx::array exact(want.data(), mx::Shape{9, 4 * 32}, mx::float32);
      const auto from_mlx = mlx_->rope(x, batch, {frequencies, interleaved}), from_pack = pack_->rope(x, batch, {frequencies, interleaved});
      const double bound = 2e-6 + length * 0x1p-24;
      EXPECT_LT(error(from_mlx, exact), bound) << length;
      EXPECT_LT(error(from_pack, exact), bound) << length;
      EXPECT_LT(error(from_pack, from_mlx), 2e-6) << length;
    }
  }
}

// A prompt of 20 tokens, and then 3 more in the same pages.
std::vector<mx::array> attention_in_two_steps(const Ops& ops, quant::Type type, int window) {
  auto cache = ops.make_cache({type, 5, 2, 16, 32});
  const auto first = batch_of({{20, 20}}, 16), second = batch_of({{3, 23}}, 16);
  ops.kv_store(cache, random({20, 2 * 32}, 1), random({20, 2 * 32}, 2), first);
  const AttentionOptions options{0.2f, window};
  auto prompt = ops.attention(random({20, 6 * 32}, 3), cache, first, options);
  prompt.eval();
  ops.kv_store(cache, random({3, 2 * 32}, 4), random({3, 2 * 32}, 5), second);
  return {prompt, ops.attention(random({3, 6 * 32}, 6), cache, second, options)};
}

TEST_P(OpsAgree, AttentionOverPagesThatWereStoredInTwoSteps) {
  for (const int window : {0, 7}) {
    const auto want = attention_in_two_steps(*mlx_, quant::Type::kF16, window);
    // Q8_0 rounds by 1/254 of the largest of 32, which is about 3 here: values, and as much again through the scores.
    for (const auto& [type, bound] : {std::pair{quant::Type::kF16, 2e-3}, {quant::Type::kQ8_0, 2 * 3.0 / 254}}) {
      const auto got = attention_in_two_steps(*pack_, type, window);
      EXPECT_LT(error(got[0], want[0]), bound) << window;
      EXPECT_LT(error(got[1], want[1]), bound) << window;
    }
  }
}

// One token after 8199 others, whose keys the pack reads in pieces of 512: with and without a window, and beside a short sequence.
TEST_P(OpsAgree, AttentionOverALongContext) {
  const std::vector<Part> parts = {{1, 8200}, {2, 5}};
  const auto history = batch_of({{8200, 8200}, {5, 5}}, 32), step = batch_of(parts, 32);
  const auto k = random({8205, 2 * 32}, 1), v = random({8205, 2 * 32}, 2), q = random({3, 6 * 32}, 3);
  for (const int window : {0, 1000}) {
    const auto attend = [&](const Ops& ops) {
      auto cache = ops.make_cache({Type::kF16, 259, 2, 32, 32});
      ops.kv_store(cache, k, v, history);
      return ops.attention(q, cache, step, {0.5f, window});
    };
    EXPECT_LT(error(attend(*pack_), attend(*mlx_)), 2e-3) << window;
  }
}

// Each sequence of a batch sees its own tokens only, and its own rows come out.
TEST_P(OpsAgree, ABatchOfSequencesIsEachOfThemAlone) {
  const std::vector<Part> parts = {{3, 3}, {1, 20}, {7, 23}};
  for (const Ops* ops : {mlx_.get(), pack_.get()}) {
    auto cache = ops->make_cache({Type::kF16, 8, 2, 16, 32});
    std::vector<Part> all;
    for (const auto& part : parts) all.push_back({part.length, part.length});
    const auto history = batch_of(all, 16);
    const int stored = static_cast<int>(history->tokens.size());
    ops->kv_store(cache, random({stored, 2 * 32}, 1), random({stored, 2 * 32}, 2), history);
    const auto batch = batch_of(parts, 16);
    const auto q = random({static_cast<int>(batch->tokens.size()), 6 * 32}, 3);
    const auto together = ops->attention(q, cache, batch, {0.2f, 0});
    const auto last = ops->output_rows(together, batch);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      auto one = std::make_shared<Batch>();
      const auto& s = batch->sequences[i];
      one->sequences.push_back({0, s.count, s.length, s.pages});
      one->outputs = {s.count - 1};
      const auto rows = mx::contiguous(mx::slice(q, {s.first, 0}, {s.first + s.count, 6 * 32}));
      const auto alone = ops->attention(rows, cache, one, {0.2f, 0});
      EXPECT_LT(error(mx::slice(together, {s.first, 0}, {s.first + s.count, 6 * 32}), alone), 1e-6) << i;
      EXPECT_EQ(error(mx::slice(last, {static_cast<int>(i), 0}, {static_cast<int>(i) + 1, 6 * 32}), ops->output_rows(alone, one)), 0) << i;
    }
  }
}

// A slot of -1 is a token that is not kept: padding of a batch.
TEST_P(OpsAgree, ATokenWithoutASlotIsNotStored) {
  for (const Ops* ops : {mlx_.get(), pack_.get()}) {
    const auto whole = batch_of({{20, 20}}, 16);
    const auto k = random({20, 2 * 32}, 1), v = random({20, 2 * 32}, 2), q = random({20, 6 * 32}, 3);
    const auto attend = [&](const BatchPtr& stored, const mx::array& keys, const mx::array& values) {
      auto cache = ops->make_cache({Type::kF16, 5, 2, 16, 32});
      ops->kv_store(cache, keys, values, stored);
      return ops->attention(q, cache, whole, {0.2f, 0});
    };
    auto padded = std::make_shared<Batch>(*whole);
    padded->slots.insert(padded->slots.begin() + 7, {-1, -1});
    const auto with_two = [](const mx::array& x) {
      const auto two = mx::full({2, x.shape(1)}, 1e4f);
      return mx::contiguous(mx::concatenate({mx::slice(x, {0, 0}, {7, x.shape(1)}), two, mx::slice(x, {7, 0}, {20, x.shape(1)})}, 0));
    };
    EXPECT_EQ(error(attend(padded, with_two(k), with_two(v)), attend(whole, k, v)), 0);
  }
}

TEST_P(OpsAgree, WhichCachesThereAre) {
  const CacheShape f16{quant::Type::kF16, 1, 2, 32, 64}, q8{quant::Type::kQ8_0, 1, 2, 32, 64}, narrow{quant::Type::kQ8_0, 1, 2, 32, 80};
  EXPECT_EQ(mlx_->cache_bytes(f16), 2u * 2 * 2 * 32 * 64);
  EXPECT_EQ(mlx_->cache_bytes(q8), 0u);
  EXPECT_GE(pack_->cache_bytes(f16), 2u * 2 * 2 * 32 * 64);
  EXPECT_LT(pack_->cache_bytes(q8), pack_->cache_bytes(f16) * 2 / 3);
  EXPECT_EQ(pack_->cache_bytes(narrow), 0u) << "80 is no multiple of 32";
}

INSTANTIATE_TEST_SUITE_P(Variants, OpsAgree, ::testing::Values("scalar", "avx2", "avx512", "amx", "neon"),
                         [](const auto& variant) { return std::string(variant.param); });

}  // namespace
}  // namespace mlxr::ops
