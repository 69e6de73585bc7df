// MLX expressions are the definition; every variant of the kernel pack that this machine runs must agree with them.
#include "core/ops/ops.h"

#include <gtest/gtest.h>
#include <mlx/allocator.h>
#include <mlx/ops.h>
#include <mlx/transforms.h>

#include <cmath>
#include <cstdlib>
#include <deque>

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
  WeightPtr prepare(const Ops& ops, const std::vector<float>& bias = {}) const {
    const auto panels = Panels::open({&tensor, 1}, ops, {}).value();
    return ops.prepare(tensor, bias, *panels).value();
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
Batch batch_of(const std::vector<Part>& parts, int block_tokens) {
  const auto pages_of = [&](const Part& part) { return (part.length + block_tokens - 1) / block_tokens; };
  int page = 0;
  for (const auto& part : parts) page += pages_of(part);
  Batch batch;
  for (const auto& part : parts) {
    std::vector<std::int32_t> tokens, pages;
    for (int i = 0; i < part.count; ++i) tokens.push_back(i % 5);
    for (int i = 0; i < pages_of(part); ++i) pages.push_back(page--);
    batch.append(tokens, part.length - part.count, {pages}, block_tokens);
  }
  return batch;
}

// One kind of cache, with a window or without one.
StepShape window_of(int window, int block_tokens) { return {.windows = {window}, .block_tokens = block_tokens}; }

const Step kNoStep{Batch()};  // what products compute does not depend on the step

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
  const auto both = [&](const Ops& ops) {
    const auto step = ops.begin(batch_of({{6, 6}}, 4), window_of(0, 4));
    const auto wt = table.prepare(ops), wa = a.prepare(ops), wb = b.prepare(ops, values(random({5}, 9)));
    const auto x = ops.embed(*step, *wt, 2.5f);
    const auto y = ops.q_gemm(*step, x, {wa.get(), wb.get()});
    return std::vector{x, y[0], y[1], ops.q_gemm(*step, x, *wa, random({6, 33}, 4))};
  };
  const auto want = both(*mlx_), got = both(*pack_);
  EXPECT_EQ(error(got[0], want[0]), 0);
  for (std::size_t i = 1; i < 4; ++i) EXPECT_LT(error(got[i], want[i]), 1e-5) << i;
  EXPECT_EQ(got[0].dtype(), pack_->activation_type());
  EXPECT_EQ(want[0].dtype(), mlx_->activation_type());
}

// A matrix of a model, and the same with an adapter's product added to it (LoRA, Hu et al. 2021: w + up · down).
struct Adapted {
  Adapted(int n, int k, std::uint64_t seed) : plain(n, k, seed), down(4, k, seed + 1), up(n, 4, seed + 2), merged(n, k, seed) {
    for (int i = 0; i < n; ++i)
      for (int j = 0; j < k; ++j)
        for (int r = 0; r < 4; ++r)
          merged.data[static_cast<std::size_t>(i * k + j)] +=
              up.data[static_cast<std::size_t>(i * 4 + r)] * down.data[static_cast<std::size_t>(r * k + j)];
  }
  Matrix plain, down, up, merged;
};

TEST_P(OpsAgree, AnAdapterChangesTheProductsOfItsSequencesAlone) {
  const Adapted a(33, 64, 1), b(33, 64, 5);
  const auto x = random({6, 64}, 9), residual = random({6, 33}, 10), last = mx::take(x, mx::array({0, 3, 5}), 0);
  for (const Ops* ops : {mlx_.get(), pack_.get()}) {
    const auto wa = a.plain.prepare(*ops), wb = b.plain.prepare(*ops);
    const auto adapter = std::make_shared<Adapter>();
    adapter->add(*wa, {a.down.prepare(*ops), a.up.prepare(*ops)});
    auto batch = batch_of({{1, 9}, {3, 3}, {2, 7}}, 4);  // rows 0, 1 to 3, and 4 to 5
    batch.sequences[1].adapter = adapter;
    const auto step = ops->begin(batch, window_of(0, 4)), without = ops->begin(batch_of({{1, 9}, {3, 3}, {2, 7}}, 4), window_of(0, 4));
    const auto merged = a.merged.prepare(*ops);
    // The rows of the sequence from `changed`, all others from `plain`.
    const auto mixed = [](const mx::array& plain, const mx::array& changed, int first, int end) {
      const int n = plain.shape(1);
      return mx::concatenate(
          {mx::slice(plain, {0, 0}, {first, n}), mx::slice(changed, {first, 0}, {end, n}), mx::slice(plain, {end, 0}, plain.shape())}, 0);
    };
    const auto expect = [&](const auto& compute) {
      const auto got = compute(*step, *wa), plain = compute(*without, *wa), changed = compute(*without, *merged);
      const bool all = got.shape(0) == 6;
      EXPECT_LT(error(got, mixed(plain, changed, 1, all ? 4 : 2)), 1e-5);
      EXPECT_GT(error(got, plain), 0.01);
    };
    expect([&](const Step& s, const Weight& w) { return ops->q_gemm(s, x, w); });
    expect([&](const Step& s, const Weight& w) { return ops->q_gemm(s, x, w, residual); });
    expect([&](const Step& s, const Weight& w) { return ops->q_gemm(s, x, {wb.get(), &w})[1]; });
    expect([&](const Step& s, const Weight& w) { return ops->q_gemm(s, mx::contiguous(last), w); });
    for (const auto activation : {Activation::kSilu, Activation::kGeluTanh}) {
      expect([&](const Step& s, const Weight& w) { return ops->gated_mlp(s, x, w, *wb, activation); });
      expect([&](const Step& s, const Weight& w) { return ops->gated_mlp(s, x, *wb, w, activation); });
    }
  }
}

TEST_P(OpsAgree, GatedMlp) {
  Matrix gate(50, 64, 1), up(50, 64, 2);
  for (const auto activation : {Activation::kSilu, Activation::kGeluTanh}) {
    const auto run = [&](const Ops& ops) {
      return ops.gated_mlp(kNoStep, random({3, 64}, 5), *gate.prepare(ops), *up.prepare(ops), activation);
    };
    EXPECT_LT(error(run(*pack_), run(*mlx_)), 1e-5);
  }
}

// Each token takes some of five experts; in a batch it gets the bits that it gets alone. With 1500 tokens, threads share the rows of an
// expert.
TEST_P(OpsAgree, Experts) {
  std::deque<Matrix> matrices;  // which do not move
  for (std::uint64_t i = 0; i < 6; ++i) {
    matrices.emplace_back(96, 64, 10 + i);
    matrices.emplace_back(96, 64, 20 + i);
    matrices.emplace_back(40, 96, 30 + i);
  }
  const auto weights_of = [&](const Ops& ops) {
    ExpertWeights weights{.bias = random({5}, 4), .shared_router = random({64}, 5)};
    for (std::size_t i = 0; i < 5; ++i) {
      weights.gate.push_back(matrices[3 * i].prepare(ops));
      weights.up.push_back(matrices[3 * i + 1].prepare(ops));
      weights.down.push_back(matrices[3 * i + 2].prepare(ops));
    }
    weights.shared_gate = matrices[15].prepare(ops);
    weights.shared_up = matrices[16].prepare(ops);
    weights.shared_down = matrices[17].prepare(ops);
    return weights;
  };
  const auto of_pack = weights_of(*pack_), of_mlx = weights_of(*mlx_);
  for (const int tokens : {7, 1500}) {
    const auto x = random({tokens, 64}, 1), residual = random({tokens, 40}, 3);
    const auto scores = mx::multiply(random({tokens, 5}, 2), mx::array(3.0f));
    for (const Routing& routing :
         {Routing{.used = 2}, {.used = 2, .normalised = true}, {.used = 5}, {.used = 1, .sigmoid = true, .scale = 2.5f}}) {
      for (const auto activation : {Activation::kSilu, Activation::kClampedSwiglu}) {
        const auto got = pack_->experts(x, scores, of_pack, routing, activation, residual);
        EXPECT_LT(error(got, mlx_->experts(x, scores, of_mlx, routing, activation, residual)), 1e-5);
        for (int row = 0; row < tokens; row += 1 + tokens / 50) {
          const auto of_row = [&](const mx::array& all) { return mx::contiguous(mx::slice(all, {row, 0}, {row + 1, all.shape(1)})); };
          const auto alone = pack_->experts(of_row(x), of_row(scores), of_pack, routing, activation, of_row(residual));
          EXPECT_EQ(error(alone, of_row(got)), 0) << row;
        }
      }
    }
  }
}

// Where probabilities are 0 in float32, or all are the same, no expert comes twice and nothing is divided by 0 (flashinfer 3803 and 3875).
TEST_P(OpsAgree, ExpertsThatAreEqual) {
  std::deque<Matrix> matrices;
  for (std::uint64_t i = 0; i < 4; ++i) {
    matrices.emplace_back(96, 64, 20 + i);
    matrices.emplace_back(40, 96, 30 + i);
  }
  const auto weights_of = [&](const Ops& ops) {
    ExpertWeights weights{.bias = mx::full({4}, 12.0f)};
    for (std::size_t i = 0; i < 4; ++i) {
      weights.up.push_back(matrices[2 * i].prepare(ops));
      weights.down.push_back(matrices[2 * i + 1].prepare(ops));
    }
    return weights;
  };
  const auto of_pack = weights_of(*pack_), of_mlx = weights_of(*mlx_);
  const auto x = random({3, 64}, 1), residual = random({3, 40}, 3);
  for (const float score : {-200.0f, -20.0f, 0.0f}) {
    const auto scores = mx::full({3, 4}, score);
    for (const Routing& routing : {Routing{.used = 2, .sigmoid = true, .normalised = true},
                                   {.used = 1},
                                   {.used = 1, .sigmoid = true, .normalised = true, .groups = 2, .groups_used = 1}}) {
      const auto got = pack_->experts(x, scores, of_pack, routing, Activation::kSilu, residual);
      EXPECT_LT(error(got, mlx_->experts(x, scores, of_mlx, routing, Activation::kSilu, residual)), 1e-5) << score;
    }
  }
}

TEST(Route, TakesTheMostProbableAndDividesByTheirSum) {
  const std::vector<float> scores{0, 3, 1, 3};
  const auto plain = route(scores, {}, {.used = 2});
  ASSERT_EQ(plain.size(), 2u);
  EXPECT_EQ(plain[0].expert, 1);
  EXPECT_EQ(plain[1].expert, 3);
  const float sum = 1 + 2 * std::exp(3.0f) + std::exp(1.0f);
  EXPECT_NEAR(plain[0].weight, std::exp(3.0f) / sum, 1e-6);
  const auto normalised = route(scores, {}, {.used = 2, .normalised = true, .scale = 3});
  EXPECT_NEAR(normalised[0].weight, 1.5, 1e-6);
  // A bias changes which experts are taken, and not their weights.
  const auto biased = route(scores, std::vector<float>{10, 0, 0, 0}, {.used = 1, .sigmoid = true});
  EXPECT_EQ(biased[0].expert, 0);
  EXPECT_NEAR(biased[0].weight, 0.5, 1e-6);
  EXPECT_EQ(route(scores, {}, {.used = 1})[0].expert, 1) << "of equal ones the first";
  // The best expert is in the group that is worse as a whole.
  const auto grouped = route(std::vector<float>{1, -5, 0.8f, 0.8f}, {}, {.used = 1, .groups = 2});
  EXPECT_EQ(grouped[0].expert, 2);
}

TEST_P(OpsAgree, Norm) {
  const auto x = random({5, 3 * 48}, 1), weight = random({48}, 2), residual = random({5, 3 * 48}, 3);
  EXPECT_LT(error(pack_->rms_norm(x, weight, 1e-6f), mlx_->rms_norm(x, weight, 1e-6f)), 1e-5);
  EXPECT_LT(error(pack_->rms_norm(x, weight, 1e-6f, residual), mlx_->rms_norm(x, weight, 1e-6f, residual)), 1e-5);
}

TEST_P(OpsAgree, LayerNorm) {
  const auto x = random({5, 3 * 40}, 1), residual = random({5, 3 * 40}, 3);
  for (const int weights : {40, 3 * 40}) {
    const auto weight = random({weights}, 2), bias = random({weights}, 4);
    EXPECT_LT(error(pack_->layer_norm(x, 40, weight, {}, 1e-6f), mlx_->layer_norm(x, 40, weight, {}, 1e-6f)), 1e-5);
    EXPECT_LT(error(pack_->layer_norm(x, 40, weight, bias, 1e-6f, residual), mlx_->layer_norm(x, 40, weight, bias, 1e-6f, residual)), 1e-5);
  }
}

TEST_P(OpsAgree, ActivationsAndSoftCaps) {
  const auto x = mx::multiply(random({5, 77}, 1), mx::array(4.0f));
  const auto times = random({5, 77}, 2);
  for (const auto activation : {Activation::kSilu, Activation::kGeluTanh, Activation::kSigmoid, Activation::kNone, Activation::kSquaredRelu,
                                Activation::kClampedSwiglu}) {
    EXPECT_LT(error(pack_->activate(x, activation, times), mlx_->activate(x, activation, times)), 1e-5);
    if (activation == Activation::kClampedSwiglu) continue;  // it changes what it multiplies
    EXPECT_LT(error(pack_->activate(x, activation), mlx_->activate(x, activation)), 1e-5);
  }
  EXPECT_LT(error(pack_->softcap(x, 1.5f), mlx_->softcap(x, 1.5f)), 1e-5);
}

// Angles are float32, so that far into a text they are coarse: by half a unit in the last place of `position` radians, which no
// implementation can help. Both must be as good as that, and agree with each other as well as sines of the same angle do.
TEST_P(OpsAgree, RopeInBothPairingsNearAndFar) {
  constexpr int kRows = 9, kHeads = 4, kWidth = 32;
  const auto x = random({kRows, kHeads * kWidth}, 3);
  for (const int length : {1009, 8200, 131072}) {
    for (const auto& [pairs, interleaved, magnitude] :
         {std::tuple{16, false, 1.0f}, {16, true, 1.0f}, {12, false, 1.2f}, {5, true, 0.7f}}) {
      Rope rope{{}, interleaved, magnitude};
      for (int i = 0; i < pairs; ++i) rope.frequencies.push_back(std::pow(10000.0f, -static_cast<float>(i) / 16.0f));
      const auto batch = batch_of({{kRows, length}}, 16);
      const auto in = values(x);
      auto want = in;  // what is not rotated is left as it is
      for (std::size_t row = 0; row < kRows * kHeads; ++row) {
        for (std::size_t i = 0; i < rope.frequencies.size(); ++i) {
          const double angle = static_cast<double>(batch.positions[row / kHeads]) * rope.frequencies[i];
          const auto half = interleaved ? 1 : rope.frequencies.size();
          const std::size_t a = row * kWidth + (interleaved ? 2 * i : i), b = a + half;
          want[a] = static_cast<float>(magnitude * (in[a] * std::cos(angle) - in[b] * std::sin(angle)));
          want[b] = static_cast<float>(magnitude * (in[a] * std::sin(angle) + in[b] * std::cos(angle)));
        }
      }
      const mx::array exact(want.data(), x.shape(), mx::float32);
      const StepShape shape{.ropes = {Rope{{1.0f}}, rope}, .block_tokens = 16};
      const auto rotated = [&](const Ops& ops) { return ops.rope(*ops.begin(batch, shape), x, 1, kWidth); };
      const auto from_mlx = rotated(*mlx_), from_pack = rotated(*pack_);
      const double bound = 2e-6 + length * 0x1p-24;
      EXPECT_LT(error(from_mlx, exact), bound) << length;
      EXPECT_LT(error(from_pack, exact), bound) << length;
      EXPECT_LT(error(from_pack, from_mlx), 2e-6) << length;
    }
  }
}

CacheShape cache_of(int blocks, int kv_heads, int block_tokens, int dim, Type type = Type::kF16) {
  return {type, blocks, kv_heads, block_tokens, dim, dim};
}

// A prompt of 20 tokens, and then 3 more in the same pages. Keys of 64 values and values of 32; 6 heads and 2 KV heads.
std::vector<mx::array> attention_in_two_steps(const Ops& ops, Type type, int window, const AttentionOptions& options) {
  auto cache = ops.make_cache({type, 5, 2, 16, 64, 32});
  const auto first = ops.begin(batch_of({{20, 20}}, 16), window_of(window, 16)),
             second = ops.begin(batch_of({{3, 23}}, 16), window_of(window, 16));
  ops.kv_store(*first, cache, random({20, 2 * 64}, 1), random({20, 2 * 32}, 2));
  auto prompt = ops.attention(*first, random({20, 6 * 64}, 3), cache, options);
  prompt.eval();
  ops.kv_store(*second, cache, random({3, 2 * 64}, 4), random({3, 2 * 32}, 5));
  return {prompt, ops.attention(*second, random({3, 6 * 64}, 6), cache, options)};
}

TEST_P(OpsAgree, AttentionOverPagesThatWereStoredInTwoSteps) {
  const auto sinks = random({6}, 7);
  for (const auto& options : {AttentionOptions{0.2f}, {0.2f, 3.0f}, {0.2f, 0, sinks}, {0.2f, 3.0f, sinks}}) {
    for (const int window : {0, 7}) {
      const auto want = attention_in_two_steps(*mlx_, Type::kF16, window, options);
      // Q8_0 rounds by 1/254 of the largest of 32, which is about 3 here: values, and as much again through the scores.
      for (const auto& [type, bound] : {std::pair{Type::kF16, 2e-3}, {Type::kQ8_0, 2 * 3.0 / 254}}) {
        const auto got = attention_in_two_steps(*pack_, type, window, options);
        EXPECT_LT(error(got[0], want[0]), bound) << window;
        EXPECT_LT(error(got[1], want[1]), bound) << window;
      }
    }
  }
}

// Softmax with one more score (gpt-oss model card, 2025) and a cap on the others (Gemma 2 report, 2024), as the formulas say it.
TEST_P(OpsAgree, SinksAndSoftCapsAreThoseOfTheFormulas) {
  constexpr float kScale = 0.5f, kCap = 2, kSink = 0.3f;
  const auto k = random({4, 32}, 1), v = random({4, 32}, 2), q = random({1, 32}, 3);
  const auto ks = values(k), vs = values(v), qs = values(q);
  double sum = std::exp(kSink);
  std::vector<double> want(32);
  for (std::size_t t = 0; t < 4; ++t) {
    double score = 0;
    for (std::size_t i = 0; i < 32; ++i) score += kScale * qs[i] * ks[t * 32 + i];
    const double weight = std::exp(kCap * std::tanh(score / kCap));
    sum += weight;
    for (std::size_t i = 0; i < 32; ++i) want[i] += weight * vs[t * 32 + i];
  }
  for (const Ops* ops : {mlx_.get(), pack_.get()}) {
    auto cache = ops->make_cache(cache_of(2, 1, 16, 32));
    const auto prompt = ops->begin(batch_of({{4, 4}}, 16), window_of(0, 16)), last = ops->begin(batch_of({{1, 4}}, 16), window_of(0, 16));
    ops->kv_store(*prompt, cache, k, v);
    const auto got = values(ops->attention(*last, q, cache, {kScale, kCap, mx::full({1}, kSink)}));
    for (std::size_t i = 0; i < 32; ++i) EXPECT_NEAR(got[i], want[i] / sum, 2e-3);
  }
}

// One token after 8199 others, whose keys the pack reads in pieces of 512: with and without a window, and beside a short sequence.
TEST_P(OpsAgree, AttentionOverALongContext) {
  const std::vector<Part> parts = {{1, 8200}, {2, 5}};
  const auto k = random({8205, 2 * 32}, 1), v = random({8205, 2 * 32}, 2), q = random({3, 6 * 32}, 3);
  for (const int window : {0, 1000}) {
    const auto attend = [&](const Ops& ops) {
      auto cache = ops.make_cache(cache_of(259, 2, 32, 32));
      ops.kv_store(*ops.begin(batch_of({{8200, 8200}, {5, 5}}, 32), window_of(window, 32)), cache, k, v);
      return ops.attention(*ops.begin(batch_of(parts, 32), window_of(window, 32)), q, cache, {0.5f});
    };
    EXPECT_LT(error(attend(*pack_), attend(*mlx_)), 2e-3) << window;
  }
}

// Blocks below the window of every new token are given to others: their pages are -1.
TEST_P(OpsAgree, BlocksBelowTheWindowNeedNotBeThere) {
  const auto k = random({100, 64}, 1), v = random({100, 64}, 2), q = random({3, 64}, 3);
  for (const Ops* ops : {mlx_.get(), pack_.get()}) {
    auto cache = ops->make_cache(cache_of(8, 1, 16, 64));
    ops->kv_store(*ops->begin(batch_of({{100, 100}}, 16), window_of(20, 16)), cache, k, v);
    auto batch = batch_of({{3, 100}}, 16);
    const auto with_all = ops->attention(*ops->begin(batch, window_of(20, 16)), q, cache, {});
    for (int block = 0; block < (97 - 19) / 16; ++block) batch.sequences[0].pages[0][static_cast<std::size_t>(block)] = -1;
    EXPECT_EQ(error(ops->attention(*ops->begin(batch, window_of(20, 16)), q, cache, {}), with_all), 0);
  }
}

// Each sequence of a batch sees its own tokens only, and its own rows come out.
TEST_P(OpsAgree, ABatchOfSequencesIsEachOfThemAlone) {
  const std::vector<Part> parts = {{3, 3}, {1, 20}, {7, 23}};
  for (const Ops* ops : {mlx_.get(), pack_.get()}) {
    auto cache = ops->make_cache(cache_of(8, 2, 16, 32));
    std::vector<Part> all;
    for (const auto& part : parts) all.push_back({part.length, part.length});
    const auto history = ops->begin(batch_of(all, 16), window_of(0, 16));
    const int stored = static_cast<int>(history->batch.tokens.size());
    ops->kv_store(*history, cache, random({stored, 2 * 32}, 1), random({stored, 2 * 32}, 2));
    const auto step = ops->begin(batch_of(parts, 16), window_of(0, 16));
    const auto q = random({static_cast<int>(step->batch.tokens.size()), 6 * 32}, 3);
    const auto together = ops->attention(*step, q, cache, {0.2f});
    const auto last = ops->output_rows(*step, together);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const auto& s = step->batch.sequences[i];
      Batch only;
      only.sequences.push_back({0, s.count, s.length, s.pages});
      only.outputs = {s.count - 1};
      const auto one = ops->begin(only, window_of(0, 16));
      const auto rows = mx::contiguous(mx::slice(q, {s.first, 0}, {s.first + s.count, 6 * 32}));
      const auto alone = ops->attention(*one, rows, cache, {0.2f});
      EXPECT_LT(error(mx::slice(together, {s.first, 0}, {s.first + s.count, 6 * 32}), alone), 1e-6) << i;
      EXPECT_EQ(error(mx::slice(last, {static_cast<int>(i), 0}, {static_cast<int>(i) + 1, 6 * 32}), ops->output_rows(*one, alone)), 0) << i;
    }
  }
}

// A slot of -1 is a token that is not kept: padding of a batch.
TEST_P(OpsAgree, ATokenWithoutASlotIsNotStored) {
  for (const Ops* ops : {mlx_.get(), pack_.get()}) {
    const auto whole = batch_of({{20, 20}}, 16);
    const auto k = random({20, 2 * 32}, 1), v = random({20, 2 * 32}, 2), q = random({20, 6 * 32}, 3);
    const auto attend = [&](const Batch& stored, const mx::array& keys, const mx::array& values) {
      auto cache = ops->make_cache(cache_of(5, 2, 16, 32));
      ops->kv_store(*ops->begin(stored, window_of(0, 16)), cache, keys, values);
      return ops->attention(*ops->begin(whole, window_of(0, 16)), q, cache, {0.2f});
    };
    auto padded = whole;
    padded.slots[0].insert(padded.slots[0].begin() + 7, {-1, -1});
    const auto with_two = [](const mx::array& x) {
      const auto two = mx::full({2, x.shape(1)}, 1e4f);
      return mx::contiguous(mx::concatenate({mx::slice(x, {0, 0}, {7, x.shape(1)}), two, mx::slice(x, {7, 0}, {20, x.shape(1)})}, 0));
    };
    EXPECT_EQ(error(attend(padded, with_two(k), with_two(v)), attend(whole, k, v)), 0);
  }
}

// What was stored in one block is there after its bytes were taken to a block of another cache.
TEST_P(OpsAgree, TheBytesOfABlockGoFromCacheToCache) {
  const auto k = random({16, 2 * 64}, 1), v = random({16, 2 * 32}, 2), q = random({1, 4 * 64}, 3);
  const auto in_block = [](int block) {
    Batch batch;
    batch.append(std::vector<std::int32_t>(16, 0), 0, {{block}}, 16);
    return batch;
  };
  const auto shape = window_of(0, 16);
  for (const auto& [ops, type] : {std::pair{mlx_.get(), Type::kF16}, {pack_.get(), Type::kF16}, {pack_.get(), Type::kQ8_0}}) {
    auto from = ops->make_cache({type, 5, 2, 16, 64, 32}), to = ops->make_cache({type, 3, 2, 16, 64, 32});
    ops->kv_store(*ops->begin(in_block(4), shape), from, k, v);
    mx::eval(from.k, from.v, to.k, to.v);
    std::vector<std::byte> bytes(ops->cache_bytes({type, 1, 2, 16, 64, 32}));
    ops->export_block(from, 4, bytes);
    ops->import_block(to, 1, bytes);
    const auto attend = [&](const LayerCache& cache, int block) {
      auto last = in_block(block);
      last.sequences[0] = {0, 1, 16, {{block}}};
      return ops->attention(*ops->begin(last, shape), q, cache, {0.2f});
    };
    EXPECT_EQ(error(attend(to, 1), attend(from, 4)), 0) << ops->cache_layout();
  }
}

// Two sequences of 9 and 4 tokens, which go on with 3 and 1 more; the states behind their last tokens and full blocks are stored.
struct InTwoSteps {
  explicit InTwoSteps(const Ops& ops) : ops_(ops) {
    first.append(std::vector<std::int32_t>(9, 0), 0, {{5, 2, 1}}, 4);
    first.append(std::vector<std::int32_t>(4, 0), 0, {{3}}, 4);
    second.append(std::vector<std::int32_t>(3, 0), 9, {{5, -1, 1}}, 4);
    second.append(std::vector<std::int32_t>(1, 0), 4, {{3, 4}}, 4);
  }
  std::unique_ptr<const Step> begin(const Batch& batch) const { return ops_.begin(batch, window_of(0, 4)); }

  Batch first, second;

 private:
  const Ops& ops_;
};

// The states in blocks 1 to 5: block 0 belongs to nobody.
mx::array kept(const mx::array& states) { return mx::take(states, mx::arange(1, 6), 0); }

TEST_P(OpsAgree, Convolution) {
  const auto x = random({13, 70}, 1), more = random({4, 70}, 2), weight = random({3, 70}, 3), bias = random({70}, 4);
  for (const auto& with_bias : {std::optional(bias), std::optional<mx::array>()}) {
    const auto both = [&](const Ops& ops) {
      const InTwoSteps steps(ops);
      auto state = make_state({.blocks = 6, .block_tokens = 4, .columns = 70, .taps = 3});
      const auto y = ops.convolve(*steps.begin(steps.first), state, x, weight, with_bias);
      const auto z = ops.convolve(*steps.begin(steps.second), state, more, weight, with_bias);
      return std::vector{y, z, kept(state.inputs)};
    };
    const auto want = both(*mlx_), got = both(*pack_);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_LT(error(got[i], want[i]), 1e-6) << i;
  }
}

TEST_P(OpsAgree, Scan) {
  // 4 heads, 2 key heads of 10, values of 37; the steps are around 1.
  const ScanShape shape{.heads = 4, .key_dim = 10, .value_dim = 37, .key_heads = 2, .query_at = 0, .key_at = 20, .value_at = 40};
  const int columns = 40 + 4 * 37;
  const auto x = random({13, columns}, 1), more = random({4, columns}, 2), steps = random({17, 4}, 3), strengths = random({17, 4}, 4);
  const ScanWeights weights{mx::negative(mx::abs(random({4}, 5))), random({4}, 6), random({4}, 7)};
  for (const bool delta : {false, true}) {
    for (const bool tiled : {false, true}) {
      const auto both = [&](const Ops& ops) {
        const InTwoSteps in(ops);
        auto its_shape = shape;
        its_shape.tiled = tiled;
        auto state = make_state({.blocks = 6, .block_tokens = 4, .columns = 1, .taps = 2, .heads = 4, .key_dim = 10, .value_dim = 37});
        const auto part = [](const mx::array& all, int from, int to) { return mx::contiguous(mx::slice(all, {from, 0}, {to, 4})); };
        const auto strength = [&](int from, int to) { return delta ? std::optional(part(strengths, from, to)) : std::nullopt; };
        const auto y = ops.scan(*in.begin(in.first), state, x, part(steps, 0, 13), strength(0, 13), its_shape, weights);
        const auto z = ops.scan(*in.begin(in.second), state, more, part(steps, 13, 17), strength(13, 17), its_shape, weights);
        return std::vector{y, z, kept(state.matrices)};
      };
      const auto want = both(*mlx_), got = both(*pack_);
      for (std::size_t i = 0; i < 3; ++i) EXPECT_LT(error(got[i], want[i]), 1e-5) << i << delta << tiled;
    }
  }
}

TEST(States, TheBytesOfABlockGoFromStateToState) {
  const StateShape shape{.blocks = 3, .block_tokens = 4, .columns = 5, .taps = 3, .heads = 2, .key_dim = 4, .value_dim = 6};
  auto from = make_state(shape), to = make_state(shape);
  std::vector<std::byte> bytes(state_bytes(shape) / 3), back(bytes.size());
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 7);
  import_state(from, 2, bytes);
  export_state(from, 2, back);
  EXPECT_EQ(back, bytes);
  import_state(to, 0, back);
  EXPECT_EQ(error(mx::take(to.matrices, mx::array(0), 0), mx::take(from.matrices, mx::array(2), 0)), 0);
}

TEST_P(OpsAgree, WhichCachesThereAre) {
  const auto f16 = cache_of(1, 2, 32, 64), q8 = cache_of(1, 2, 32, 64, Type::kQ8_0), narrow = cache_of(1, 2, 32, 80, Type::kQ8_0);
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
