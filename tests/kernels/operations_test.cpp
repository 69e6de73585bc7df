// rms_norm, rope, kv_store, attention and softmax against their formulas in double.
#include <gtest/gtest.h>

#include <algorithm>

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

TEST_F(Operations, SoftmaxOfShortLongAndExtremeRows) {
  for (const auto* pack : available()) {
    mlxr_pool* pool = pack->pool_create(2);
    for (int64_t d : {1, 3, 16, 19, 1000}) {
      for (float scale : {0.0f, 1.0f, 80.0f, 1e6f}) {
        const auto x = reals(size_t(40 * d), random, scale);
        auto y = x;
        const mlxr_softmax_args args{y.data(), 40, d, y.data()};
        pack->softmax(pool, &args);
        for (int64_t r = 0; r < 40; ++r) {
          double top = -INFINITY, total = 0;
          for (int64_t i = r * d; i < (r + 1) * d; ++i) top = std::fmax(top, x[size_t(i)]);
          for (int64_t i = r * d; i < (r + 1) * d; ++i) total += std::exp(x[size_t(i)] - top);
          for (int64_t i = r * d; i < (r + 1) * d; ++i) {
            const double want = std::exp(x[size_t(i)] - top) / total;  // x - top itself is rounded: 2^-24 of its magnitude
            ASSERT_NEAR(y[size_t(i)], want, 2e-6 * want + want * scale * 0x1p-23 + 1e-37)
                << pack->variant << " d " << d << " scale " << scale;
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
                        {4, 4, 20, 16, 1, 100, 0, 30.0f}, {8, 2, 32, 16, 40, 170, 65, 5.0f}, {2, 2, 7, 16, 65, 65, 1, 0}};
  for (const Case& c : cases) {
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
      std::vector<uint16_t> cache(size_t(2 * blocks * c.kv_heads * c.block_tokens * c.dim), 0x7e00);  // NaN where nothing was stored
      mlxr_kv kv{cache.data(), cache.data() + cache.size() / 2, blocks, c.kv_heads, c.block_tokens, c.dim};
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
            // float16 keys and values: 2^-11 of values up to 2 and 1
            ASSERT_NEAR(y[size_t((t * c.heads + h) * c.dim + i)], want, 4e-3) << pack->variant << " dim " << c.dim << " token " << t;
          }
        }
      }
    }
  }
}

TEST_F(Operations, KvStoreRoundsToNearestAndSkips) {
  for (const auto* pack : available()) {
    mlxr_pool* pool = pack->pool_create(1);
    const float k[] = {1.0f, 65504.0f, 1e6f, 6e-8f, -2.5f, 1.00048828125f, 0.0f, -INFINITY};
    std::vector<uint16_t> cache(64, 7);
    const int32_t slots[] = {3, -1};
    const mlxr_kv_store_args args{{cache.data(), cache.data() + 32, 2, 1, 4, 4}, k, k, slots, 2};
    pack->kv_store(pool, &args);
    const int32_t second[] = {-1, 4};
    const mlxr_kv_store_args more{{cache.data(), cache.data() + 32, 2, 1, 4, 4}, k, k, second, 2};
    pack->kv_store(pool, &more);
    EXPECT_EQ(std::vector<uint16_t>(cache.begin() + 12, cache.begin() + 16), (std::vector<uint16_t>{0x3c00, 0x7bff, 0x7c00, 0x0001}));
    EXPECT_EQ(std::vector<uint16_t>(cache.begin() + 16, cache.begin() + 20), (std::vector<uint16_t>{0xc100, 0x3c00, 0, 0xfc00}))
        << pack->variant;
    EXPECT_EQ(std::vector<uint16_t>(cache.begin(), cache.begin() + 12), std::vector<uint16_t>(12, 7));
    pack->pool_destroy(pool);
  }
}

}  // namespace
}  // namespace mlxr::kernels_test
