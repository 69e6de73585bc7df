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
    EXPECT_FALSE(pack->supports(99));
    EXPECT_FALSE(pack->supports(10));  // Q2_K
  }
}

TEST(Pack, SelfCheckPasses) {
  for (const auto* pack : available()) EXPECT_STREQ(pack->self_check(), nullptr) << pack->variant;
}

TEST(Pool, RefusesUselessCounts) {
  const auto* pack = open_function()(MLXR_KERNEL_ABI, "auto");
  EXPECT_EQ(pack->pool_create(0), nullptr);
  EXPECT_EQ(pack->pool_create(-1), nullptr);
}

// Thousands of operations back to back, with more threads than cores: each result is checked, so that a chunk which is lost, run twice at
// the wrong time or taken from a finished operation shows.
TEST(Pool, ManySmallOperations) {
  const auto* pack = open_function()(MLXR_KERNEL_ABI, "auto");
  const int64_t n = 384, k = 256;
  std::mt19937 random(3);
  const TypeInfo& type = types()[0];
  const auto rows = packed_rows(type, n, k, Fill::kRandom, 1, random);
  const auto x = reals(size_t(k), random);
  for (int threads : {1, 2, 5}) {
    mlxr_pool* pool = pack->pool_create(threads);
    std::vector<float> first(static_cast<size_t>(n));
    for (int round = 0; round < 3000; ++round) {
      std::vector<float> y(static_cast<size_t>(n), NAN);
      const mlxr_gemm_output output{{type.number, n, k, rows.data()}, nullptr, nullptr, y.data()};
      const mlxr_gemm_args args{x.data(), 1, k, 1, &output};
      pack->q_gemm(pool, &args);
      if (round == 0) first = y;
      ASSERT_EQ(y, first) << threads << " threads, round " << round;
    }
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
        std::vector<float> x(200000, float(u)), y(200000);
        const mlxr_softmax_args args{x.data(), 1000, 200, y.data()};
        pack->softmax(pool, &args);
        pack->pool_destroy(pool);
        bool same = true;
        for (float v : y) same &= std::fabs(v - 0.005f) < 1e-6f;
        good[size_t(u)] += same;
      }
    });
  }
  for (auto& user : users) user.join();
  EXPECT_THAT(good, testing::Each(20));
}

}  // namespace
}  // namespace mlxr::kernels_test
