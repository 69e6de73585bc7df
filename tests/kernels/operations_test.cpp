// rms_norm, rope, kv_store and attention against their formulas in double.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "tests/kernels/pack_library.h"
#include "tests/kernels/reference.h"

namespace mlxr::kernels_test {
namespace {

class Operations : public testing::Test {
 protected:
  std::mt19937 random{11};
};

TEST_F(Operations, RmsNormWithResidual) {
  for (const auto* pack : available()) {
    mlxr_pool* pool = pack->pool_create(2);
    for (int64_t d : {1, 5, 64, 67, 576}) {
      for (int64_t rows : {1, 3, 200}) {
        for (bool with_residual : {false, true}) {
          const auto x = reals(size_t(rows * d), random, 3), weight = reals(size_t(d), random);
          const auto residual = with_residual ? reals(x.size(), random) : std::vector<float>(x.size());
          std::vector<float> y(x);  // in place
          const mlxr_rms_norm_args args{y.data(), weight.data(), with_residual ? residual.data() : nullptr, 1e-5f, rows, d, y.data()};
          pack->rms_norm(pool, &args);
          for (int64_t r = 0; r < rows; ++r) {
            double squares = 0;
            for (int64_t i = r * d; i < (r + 1) * d; ++i) squares += double(x[size_t(i)]) * x[size_t(i)];
            for (int64_t i = 0; i < d; ++i) {
              const auto at = size_t(r * d + i);
              ASSERT_NEAR(y[at], x[at] / std::sqrt(squares / double(d) + 1e-5) * weight[size_t(i)] + residual[at], 1e-5) << pack->variant;
            }
          }
        }
      }
    }
    pack->pool_destroy(pool);
  }
}

TEST_F(Operations, RopeBothPairings) {
  const int64_t tokens = 3, heads = 2, dim = 96;
  for (const auto* pack : available()) {
    mlxr_pool* pool = pack->pool_create(1);
    for (int64_t pairs : {0, 8, 48}) {
      for (int interleaved : {0, 1}) {
        const auto x = reals(size_t(tokens * heads * dim), random), frequencies = reals(48, random);
        const int32_t positions[] = {0, 7, 900};
        auto y = x;  // in place
        const mlxr_rope_args args{y.data(), positions, frequencies.data(), tokens, heads, dim, pairs, interleaved, 1.5f, y.data()};
        pack->rope(pool, &args);
        for (int64_t t = 0; t < tokens; ++t) {
          for (int64_t h = 0; h < heads; ++h) {
            const size_t base = size_t((t * heads + h) * dim);
            for (int64_t i = 0; i < pairs; ++i) {
              const size_t a = base + size_t(interleaved ? 2 * i : i), b = base + size_t(interleaved ? 2 * i + 1 : i + pairs);
              const double angle = double(float(positions[t]) * frequencies[size_t(i)]);
              ASSERT_NEAR(y[a], 1.5 * (x[a] * std::cos(angle) - x[b] * std::sin(angle)), 2e-6) << pack->variant;
              ASSERT_NEAR(y[b], 1.5 * (x[a] * std::sin(angle) + x[b] * std::cos(angle)), 2e-6) << pack->variant;
            }
            for (size_t i = base + size_t(2 * pairs); i < base + size_t(dim); ++i) ASSERT_EQ(y[i], x[i]);
          }
        }
      }
    }
    pack->pool_destroy(pool);
  }
}

struct Case {
  int64_t heads, kv_heads, dim, block_tokens, count, length;
  int32_t window;
  float softcap;
};

// Two sequences with shuffled pages; the second is a single token.
TEST_F(Operations, PagedAttention) {
  const Case cases[] = {{9, 3, 64, 16, 1, 1, 0, 0},       {9, 3, 64, 16, 1, 200, 0, 0},      {9, 3, 64, 16, 50, 130, 0, 0},
                        {4, 1, 256, 32, 1, 90, 40, 0},    {4, 1, 256, 32, 70, 70, 20, 0},    {4, 4, 20, 16, 33, 100, 0, 0},
                        {4, 4, 20, 16, 1, 100, 0, 30.0f}, {8, 2, 32, 16, 40, 170, 65, 5.0f}, {2, 2, 7, 16, 65, 65, 1, 0},
                        {9, 3, 64, 32, 1, 1500, 0, 0},    {4, 2, 32, 32, 5, 1100, 0, 0},     {4, 1, 96, 32, 1, 1200, 700, 0},
                        {40, 1, 32, 16, 3, 600, 0, 0},    {2, 1, 64, 16, 30, 1030, 515, 0}};
  constexpr uint32_t kF16 = 1, kQ8_0 = 8;
  for (const uint32_t type : {kF16, kQ8_0}) {
    for (const Case& c : cases) {
      if (type == kQ8_0 && c.dim % 32 != 0) continue;  // Q8_0 holds no such head
      const int64_t tokens = c.count + 1, pages_each = (c.length + c.block_tokens - 1) / c.block_tokens, blocks = 2 * pages_each;
      std::vector<int32_t> pages(static_cast<size_t>(blocks));
      for (size_t i = 0; i < pages.size(); ++i) pages[i] = int32_t(i);
      std::shuffle(pages.begin(), pages.end(), random);
      const auto k = reals(size_t(2 * c.length * c.kv_heads * c.dim), random, 2), v = reals(k.size(), random);
      const auto q = reals(size_t(tokens * c.heads * c.dim), random, 2);
      std::vector<int32_t> slots;
      for (int64_t i = 0; i < 2 * c.length; ++i) {
        const int64_t position = i % c.length;
        slots.push_back(pages[size_t(i / c.length * pages_each + position / c.block_tokens)] * int32_t(c.block_tokens) +
                        int32_t(position % c.block_tokens));
      }
      for (const auto* pack : available()) {
        mlxr_pool* pool = pack->pool_create(2);
        const Cache cache(*pack, type, blocks, c.kv_heads, c.block_tokens, c.dim);
        const mlxr_kv& kv = cache.kv();
        const mlxr_kv_store_args stored{kv, k.data(), v.data(), slots.data(), 2 * c.length};
        pack->kv_store(pool, &stored);
        const mlxr_sequence sequences[] = {{0, c.count, c.length, pages.data()}, {c.count, 1, c.length, pages.data() + pages_each}};
        std::vector<float> y(q.size());
        const float scale = 1 / std::sqrt(float(c.dim));
        const mlxr_attention_args args{q.data(), kv, sequences, 2, c.heads, scale, c.window, c.softcap, y.data()};
        pack->attention(pool, &args);
        pack->pool_destroy(pool);
        for (int64_t t = 0; t < tokens; ++t) {
          const int64_t which = t < c.count ? 0 : 1, position = which ? c.length - 1 : c.length - c.count + t;
          const int64_t begin = c.window ? std::max<int64_t>(0, position - c.window + 1) : 0;
          for (int64_t h = 0; h < c.heads; ++h) {
            const int64_t kv_head = h / (c.heads / c.kv_heads);
            const auto at = [&](int64_t p, int64_t i) { return size_t(((which * c.length + p) * c.kv_heads + kv_head) * c.dim + i); };
            std::vector<double> scores;
            double total = 0;
            for (int64_t p = begin; p <= position; ++p) {
              double s = 0;
              for (int64_t i = 0; i < c.dim; ++i) s += double(q[size_t((t * c.heads + h) * c.dim + i)]) * k[at(p, i)];
              s *= scale;
              if (c.softcap > 0) s = c.softcap * std::tanh(s / c.softcap);
              scores.push_back(std::exp(s));
              total += scores.back();
            }
            for (int64_t i = 0; i < c.dim; ++i) {
              double want = 0;
              for (int64_t p = begin; p <= position; ++p) want += scores[size_t(p - begin)] / total * v[at(p, i)];
              // Values are up to 1 and scores up to about 5. float16 rounds by 2^-11 of them, Q8_0 by 1/254 of the largest of 32.
              ASSERT_NEAR(y[size_t((t * c.heads + h) * c.dim + i)], want, type == kF16 ? 4e-3 : 3e-2)
                  << pack->variant << " dim " << c.dim << " token " << t;
            }
          }
        }
      }
    }
  }
}

// Reads the cache back by an attention whose only visible key is the position itself, so that y is the value that was stored.
TEST_F(Operations, KvStoreRoundsToNearestAndSkips) {
  const std::vector<float> v = {1.0f, 65504.0f, 6e-8f, -2.5f, 1.00048828125f, 0.0f, -1.0f, 2049.0f};
  const std::vector<float> rounded = {1.0f, 65504.0f, 0x1p-24f, -2.5f, 1.0f, 0.0f, -1.0f, 2048.0f};  // ties to even
  for (const auto* pack : available()) {
    mlxr_pool* pool = pack->pool_create(1);
    const Cache cache(*pack, 1, 2, 1, 16, 8);
    const std::vector<float> k(16, 0.5f), q(8, 1.0f);
    std::vector<float> two = v, y(8);
    two.insert(two.end(), 8, 99.0f);
    const int32_t pages[] = {1, 0}, slots[] = {16, -1};
    const mlxr_kv_store_args args{cache.kv(), k.data(), two.data(), slots, 2};
    pack->kv_store(pool, &args);
    const mlxr_sequence sequence{0, 1, 1, pages};
    const mlxr_attention_args attention{q.data(), cache.kv(), &sequence, 1, 1, 1.0f, 0, 0, y.data()};
    pack->attention(pool, &attention);
    EXPECT_EQ(y, rounded) << pack->variant;
    pack->pool_destroy(pool);
  }
}

TEST_F(Operations, AttentionIsTheSameForAnyNumberOfThreads) {
  const int64_t length = 2000, dim = 64;
  const auto k = reals(size_t(length * dim), random), v = reals(k.size(), random), q = reals(4 * dim, random);
  std::vector<int32_t> pages(63), slots(static_cast<size_t>(length));
  std::iota(pages.begin(), pages.end(), 0);
  std::iota(slots.begin(), slots.end(), 0);
  for (const auto* pack : available()) {
    std::vector<std::vector<float>> results;
    for (const int threads : {1, 2, 5}) {
      mlxr_pool* pool = pack->pool_create(threads);
      const Cache cache(*pack, 1, 63, 1, 32, dim);
      const mlxr_kv_store_args stored{cache.kv(), k.data(), v.data(), slots.data(), length};
      pack->kv_store(pool, &stored);
      const mlxr_sequence sequence{0, 1, length, pages.data()};
      std::vector<float> y(4 * dim);
      const mlxr_attention_args args{q.data(), cache.kv(), &sequence, 1, 4, 0.125f, 0, 0, y.data()};
      pack->attention(pool, &args);
      results.push_back(y);
      pack->pool_destroy(pool);
    }
    EXPECT_EQ(results[0], results[1]) << pack->variant;
    EXPECT_EQ(results[0], results[2]) << pack->variant;
  }
}

TEST_F(Operations, PagesRefuseWhatTheyCannotHold) {
  for (const auto* pack : available()) {
    EXPECT_EQ(pack->page_bytes(8, 32, 20), 0) << "Q8_0 needs heads of a multiple of 32";
    EXPECT_EQ(pack->page_bytes(2, 32, 64), 0) << "Q4_0 is no type of a cache";
    EXPECT_GE(pack->page_bytes(1, 32, 64), 2 * 32 * 64);
    EXPECT_GE(pack->page_bytes(8, 32, 64), 32 * 64 / 32 * 34);
  }
}

}  // namespace
}  // namespace mlxr::kernels_test
