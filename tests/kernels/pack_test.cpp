// The exported function, the self-check, and the thread pool.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/kernels/pack_library.h"
#include "tests/kernels/reference.h"

namespace mlxr::kernels_test {
namespace {

TEST(Pack, RefusesAnotherAbiAndUnknownVariants) {
  ASSERT_NE(open_function(), nullptr);
  EXPECT_EQ(open_function()(MLXR_KERNEL_ABI + 1, "auto"), nullptr);
  EXPECT_EQ(open_function()(0, "scalar"), nullptr);
  EXPECT_EQ(open_function()(MLXR_KERNEL_ABI, "sse9"), nullptr);
  EXPECT_EQ(open_function()(MLXR_KERNEL_ABI, nullptr), nullptr);
}

TEST(Pack, AutoIsTheBestVariantAndTablesAreComplete) {
  const auto* best = open_function()(MLXR_KERNEL_ABI, "auto");
  ASSERT_NE(best, nullptr);
  EXPECT_EQ(best, available().back());  // available() lists them slowest first
  for (const auto* pack : available()) {
    EXPECT_EQ(pack->size, sizeof(mlxr_kernel_pack));
    EXPECT_EQ(pack->abi, uint32_t{MLXR_KERNEL_ABI});
    EXPECT_FALSE(std::string(pack->panels).empty() || std::string(pack->cache).empty()) << pack->variant;
    EXPECT_FALSE(pack->supports(99));
    EXPECT_FALSE(pack->supports(34));  // TQ1_0
  }
}

TEST(Pack, SelfCheckPasses) {
  for (const auto* pack : available()) EXPECT_STREQ(pack->self_check(), nullptr) << pack->variant;
}

using Product = std::vector<double>;

// Of F32 rows with one x, in double.
Product product(const std::vector<uint8_t>& rows, int64_t n, int64_t k, const std::vector<float>& x) {
  Product y;
  for (int64_t r = 0; r < n; ++r) {
    double sum = 0;
    for (int64_t i = 0; i < k; ++i) sum += weight(types()[0], rows.data() + r * k * 4, i) * x[size_t(i)];
    y.push_back(sum);
  }
  return y;
}

TEST(Pool, RefusesUselessCounts) {
  const auto* pack = open_function()(MLXR_KERNEL_ABI, "auto");
  EXPECT_EQ(pack->pool_create(0), nullptr);
  EXPECT_EQ(pack->pool_create(-1), nullptr);
}

// Thousands of operations back to back, with more threads than cores. Each has an input of its own and is compared with what one thread
// makes of it, so that a chunk which is lost, run twice at the wrong time or taken from a finished operation shows.
TEST(Pool, ManySmallOperations) {
  const auto* pack = open_function()(MLXR_KERNEL_ABI, "auto");
  const int64_t n = 384, k = 256;
  constexpr int kInputs = 7;  // no divisor of how often memory comes back at the same address
  std::mt19937 random(3);
  const TypeInfo& type = types()[0];
  const auto rows = packed_rows(type, n, k, Fill::kRandom, 1, random);
  mlxr_pool* single = pack->pool_create(1);
  const Panels panels(*pack, single, {type.number, n, k, rows.data()});
  const auto multiply = [&](mlxr_pool* pool, const std::vector<float>& x, std::vector<float>& y) {
    const mlxr_gemm_output output{panels.matrix(), nullptr, nullptr, y.data()};
    const mlxr_gemm_args args{x.data(), 1, k, 1, &output};
    pack->q_gemm(pool, &args);
  };
  std::vector<std::vector<float>> inputs, wanted;
  for (int i = 0; i < kInputs; ++i) {
    inputs.push_back(reals(size_t(k), random));
    wanted.emplace_back(size_t(n));
    multiply(single, inputs.back(), wanted.back());
    const Product expected = product(rows, n, k, inputs.back());
    for (size_t at = 0; at < wanted.back().size(); ++at) ASSERT_NEAR(wanted.back()[at], expected[at], 1e-4);
  }
  pack->pool_destroy(single);
  for (int threads : {2, 5}) {
    mlxr_pool* pool = pack->pool_create(threads);
    std::vector<float> y(static_cast<size_t>(n));
    for (int round = 0; round < 3000; ++round) {
      std::fill(y.begin(), y.end(), NAN);
      multiply(pool, inputs[size_t(round % kInputs)], y);
      ASSERT_EQ(y, wanted[size_t(round % kInputs)]) << threads << " threads, round " << round;
    }
    pack->pool_destroy(pool);
  }
}

// When scratch memory cannot be had, an operation fails without writing anything, and the pool can be used again.
TEST(Pool, AnOperationWithoutMemorySaysSo) {
  constexpr int64_t kTooMany = int64_t{1} << 50;
  std::mt19937 random(1);
  const TypeInfo& q8_0 = types()[6];
  const int64_t n = 16, k = 64;
  const auto rows = packed_rows(q8_0, n, k, Fill::kRandom, 0.1, random);
  const auto x = reals(size_t(k), random);
  for (const auto* pack : available()) {
    mlxr_pool* pool = pack->pool_create(2);
    const Panels panels(*pack, pool, {q8_0.number, n, k, rows.data()});
    const auto multiply = [&](int64_t tokens, std::vector<float>& y) {
      const mlxr_gemm_output output{panels.matrix(), nullptr, nullptr, y.data()};
      const mlxr_gemm_args args{x.data(), tokens, k, 1, &output};
      return pack->q_gemm(pool, &args);
    };
    std::vector<float> want(static_cast<size_t>(n)), y(want.size(), 7.0f);
    EXPECT_TRUE(multiply(1, want)) << pack->variant;
    EXPECT_FALSE(multiply(kTooMany, y)) << pack->variant;
    const mlxr_gated_args gated{x.data(), kTooMany, panels.matrix(), panels.matrix(), nullptr, nullptr, MLXR_ACT_SILU, y.data()};
    EXPECT_FALSE(pack->gated_mlp(pool, &gated)) << pack->variant;
    const mlxr_sequence endless{0, 1, kTooMany, nullptr};
    const mlxr_kv kv{q8_0.number, nullptr, nullptr, kTooMany / 32, 1, 32, k, k};
    const mlxr_attention_args attention{x.data(), kv, &endless, 1, 1, 1.0f, 0, 0, 0.0f, nullptr, y.data()};
    EXPECT_FALSE(pack->attention(pool, &attention)) << pack->variant;
    EXPECT_THAT(y, testing::Each(7.0f)) << pack->variant;
    EXPECT_TRUE(multiply(1, y)) << pack->variant;
    EXPECT_EQ(y, want) << pack->variant;
    pack->pool_destroy(pool);
  }
}

TEST(Pool, PoolsOfSeveralThreadsAtOnce) {
  const auto* pack = open_function()(MLXR_KERNEL_ABI, "auto");
  std::vector<std::thread> users;
  std::vector<int> good(4, 0);
  for (int u = 0; u < 4; ++u) {
    users.emplace_back([&, u] {
      for (int round = 0; round < 20; ++round) {
        mlxr_pool* pool = pack->pool_create(3);
        const std::vector<float> x(200000, float(u + 1)), weight(200, 0.5f);
        std::vector<float> y(200000);
        const mlxr_rms_norm_args args{x.data(), weight.data(), nullptr, 0, 1000, 200, y.data()};
        pack->rms_norm(pool, &args);
        pack->pool_destroy(pool);
        bool same = true;
        for (float v : y) same &= std::fabs(v - 0.5f) < 1e-6f;
        good[size_t(u)] += same;
      }
    });
  }
  for (auto& user : users) user.join();
  EXPECT_THAT(good, testing::Each(20));
}

}  // namespace
}  // namespace mlxr::kernels_test
