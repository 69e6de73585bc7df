// Norms, activations, rotations, rope, kv_store and attention against their formulas in double.
#include <gtest/gtest.h>

#include <algorithm>
#include <numbers>
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

TEST_F(Operations, LayerNormWithWeightsOfEachPiece) {
  for (const auto* pack : available()) {
    mlxr_pool* pool = pack->pool_create(2);
    for (int64_t d : {1, 5, 64, 67}) {
      for (int64_t weights : {1, 3}) {
        for (bool alone : {false, true}) {  // without bias and residual
          const int64_t rows = 3 * 70;
          const auto x = reals(size_t(rows * d), random, 3), weight = reals(size_t(weights * d), random),
                     bias = reals(weight.size(), random);
          const auto residual = reals(x.size(), random);
          std::vector<float> y(x);  // in place
          const mlxr_layer_norm_args args{
              y.data(), weight.data(), alone ? nullptr : bias.data(), alone ? nullptr : residual.data(), 1e-3f, rows, d, weights, y.data()};
          pack->layer_norm(pool, &args);
          for (int64_t r = 0; r < rows; ++r) {
            const auto *row = &x[size_t(r * d)], *w = &weight[size_t(r % weights * d)], *b = &bias[size_t(r % weights * d)];
            const double mean = std::accumulate(row, row + d, 0.0) / double(d);
            double variance = 0;
            for (int64_t i = 0; i < d; ++i) variance += (row[i] - mean) * (row[i] - mean) / double(d);
            for (int64_t i = 0; i < d; ++i) {
              const auto at = size_t(r * d + i);
              const double added = alone ? 0 : double(b[i]) + residual[at];
              ASSERT_NEAR(y[at], (row[i] - mean) / std::sqrt(variance + 1e-3) * w[i] + added, 2e-5) << pack->variant;
            }
          }
        }
      }
    }
    pack->pool_destroy(pool);
  }
}

TEST_F(Operations, ActivationsAndSoftCaps) {
  const int64_t rows = 5, n = 61;
  const auto x = reals(size_t(rows * n), random, 6), times = reals(x.size(), random);
  for (const auto* pack : available()) {
    mlxr_pool* pool = pack->pool_create(2);
    std::vector<float> silu(x.size()), gelu(x.size()), exact(x.size()), capped(x);
    const mlxr_activate_args first{x.data(), times.data(), rows, n, MLXR_ACT_SILU, silu.data()};
    const mlxr_activate_args second{x.data(), nullptr, rows, n, MLXR_ACT_GELU_TANH, gelu.data()};
    const mlxr_activate_args third{x.data(), nullptr, rows, n, MLXR_ACT_GELU, exact.data()};
    const mlxr_softcap_args fourth{capped.data(), rows, n, 2.5f, capped.data()};
    pack->activate(pool, &first);
    pack->activate(pool, &second);
    pack->activate(pool, &third);
    pack->softcap(pool, &fourth);
    pack->pool_destroy(pool);
    for (size_t i = 0; i < x.size(); ++i) {
      const double v = x[i];
      ASSERT_NEAR(silu[i], v / (1 + std::exp(-v)) * times[i], 2e-6) << pack->variant;
      ASSERT_NEAR(gelu[i], 0.5 * v * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (v + 0.044715 * v * v * v))), 3e-6) << pack->variant;
      ASSERT_NEAR(exact[i], 0.5 * v * (1 + std::erf(v / std::numbers::sqrt2)), 3e-6) << pack->variant;
      ASSERT_NEAR(capped[i], 2.5 * std::tanh(v / 2.5), 2e-6) << pack->variant;
    }
  }
}

TEST_F(Operations, RotationsOfAngles) {
  const int64_t tokens = 4, pairs = 37;
  const auto frequencies = reals(size_t(pairs), random);
  const int32_t positions[] = {0, 7, 900, 131071};
  for (const auto* pack : available()) {
    mlxr_pool* pool = pack->pool_create(2);
    std::vector<float> cosines(size_t(tokens * pairs)), sines(cosines.size());
    const mlxr_rotations_args args{positions, frequencies.data(), tokens, pairs, 1.5f, cosines.data(), sines.data()};
    pack->rotations(pool, &args);
    pack->pool_destroy(pool);
    for (size_t at = 0; at < cosines.size(); ++at) {
      const double angle = double(float(positions[at / size_t(pairs)]) * frequencies[at % size_t(pairs)]);
      ASSERT_NEAR(cosines[at], 1.5 * std::cos(angle), 2e-7) << pack->variant;
      ASSERT_NEAR(sines[at], 1.5 * std::sin(angle), 2e-7) << pack->variant;
    }
  }
}

TEST_F(Operations, RopeBothPairings) {
  const int64_t tokens = 3, heads = 2, dim = 96;
  for (const auto* pack : available()) {
    mlxr_pool* pool = pack->pool_create(1);
    for (int64_t pairs : {0, 8, 21, 48}) {
      for (int interleaved : {0, 1}) {
        const auto x = reals(size_t(tokens * heads * dim), random);
        const auto cosines = reals(size_t(tokens * pairs), random), sines = reals(cosines.size(), random);
        auto y = x;  // in place
        const mlxr_rope_args args{y.data(), cosines.data(), sines.data(), tokens, heads, dim, pairs, interleaved, y.data()};
        pack->rope(pool, &args);
        for (int64_t t = 0; t < tokens; ++t) {
          for (int64_t h = 0; h < heads; ++h) {
            const size_t base = size_t((t * heads + h) * dim);
            for (int64_t i = 0; i < pairs; ++i) {
              const size_t a = base + size_t(interleaved ? 2 * i : i), b = base + size_t(interleaved ? 2 * i + 1 : i + pairs);
              const double cosine = cosines[size_t(t * pairs + i)], sine = sines[size_t(t * pairs + i)];
              ASSERT_NEAR(y[a], x[a] * cosine - x[b] * sine, 2e-7) << pack->variant;
              ASSERT_NEAR(y[b], x[a] * sine + x[b] * cosine, 2e-7) << pack->variant;
            }
            for (size_t i = base + size_t(2 * pairs); i < base + size_t(dim); ++i) ASSERT_EQ(y[i], x[i]);
          }
        }
      }
    }
    pack->pool_destroy(pool);
  }
}

constexpr uint32_t kF16 = 1, kQ8_0 = 8;

struct AttentionCase {
  int64_t heads, kv_heads, key_dim, value_dim, block_tokens, count, length;
  int32_t window = 0;
  float softcap = 0;
  bool has_sinks = false;
  int32_t two_sided = 0;
};

std::ostream& operator<<(std::ostream& out, const AttentionCase& c) {
  return out << "heads " << c.heads << "/" << c.kv_heads << ", keys of " << c.key_dim << ", values of " << c.value_dim << ", " << c.count
             << " of " << c.length << " tokens, window " << c.window << ", softcap " << c.softcap << (c.has_sinks ? ", sinks" : "")
             << (c.two_sided ? ", two-sided" : "");
}

class PagedAttention : public Operations, public testing::WithParamInterface<std::tuple<uint32_t, AttentionCase>> {};

// Two sequences with shuffled pages; the second is a single token.
TEST_P(PagedAttention, AgreesWithItsFormula) {
  const auto& [type, c] = GetParam();
  const int64_t tokens = c.count + 1, pages_each = (c.length + c.block_tokens - 1) / c.block_tokens, blocks = 2 * pages_each;
  std::vector<int32_t> pages(static_cast<size_t>(blocks));
  std::iota(pages.begin(), pages.end(), 0);
  std::shuffle(pages.begin(), pages.end(), random);
  const auto k = reals(size_t(2 * c.length * c.kv_heads * c.key_dim), random, 2);
  const auto v = reals(size_t(2 * c.length * c.kv_heads * c.value_dim), random);
  const auto q = reals(size_t(tokens * c.heads * c.key_dim), random, 2);
  const auto sinks = reals(size_t(c.heads), random, 8);  // some are larger than every score
  std::vector<int32_t> slots;
  for (int64_t i = 0; i < 2 * c.length; ++i) {
    const int64_t position = i % c.length;
    slots.push_back(pages[size_t(i / c.length * pages_each + position / c.block_tokens)] * int32_t(c.block_tokens) +
                    int32_t(position % c.block_tokens));
  }
  const float scale = 1 / std::sqrt(float(c.key_dim));
  for (const auto* pack : available()) {
    mlxr_pool* pool = pack->pool_create(2);
    const Cache cache(*pack, type, blocks, c.kv_heads, c.block_tokens, c.key_dim, c.value_dim);
    const mlxr_kv& kv = cache.kv();
    const mlxr_kv_store_args stored{kv, k.data(), v.data(), slots.data(), 2 * c.length};
    pack->kv_store(pool, &stored);
    const mlxr_sequence sequences[] = {{0, c.count, c.length, pages.data()}, {c.count, 1, c.length, pages.data() + pages_each}};
    std::vector<float> y(size_t(tokens * c.heads * c.value_dim));
    const float* given_sinks = c.has_sinks ? sinks.data() : nullptr;
    const mlxr_attention_args args{q.data(), kv, sequences, 2, c.heads, scale, c.window, c.two_sided, c.softcap, given_sinks, y.data()};
    pack->attention(pool, &args);
    pack->pool_destroy(pool);
    for (int64_t t = 0; t < tokens; ++t) {
      const int64_t which = t < c.count ? 0 : 1, position = which ? c.length - 1 : c.length - c.count + t;
      const int64_t begin = c.window ? std::max<int64_t>(0, position - c.window + 1) : 0;
      const int64_t last = !c.two_sided ? position : c.window ? std::min(position + c.window, c.length) - 1 : c.length - 1;
      for (int64_t h = 0; h < c.heads; ++h) {
        const int64_t kv_head = h / (c.heads / c.kv_heads);
        const auto row = [&](int64_t p) { return (which * c.length + p) * c.kv_heads + kv_head; };
        std::vector<double> scores;
        double total = c.has_sinks ? std::exp(double(sinks[size_t(h)])) : 0;
        for (int64_t p = begin; p <= last; ++p) {
          double s = 0;
          for (int64_t i = 0; i < c.key_dim; ++i)
            s += double(q[size_t((t * c.heads + h) * c.key_dim + i)]) * k[size_t(row(p) * c.key_dim + i)];
          s *= scale;
          if (c.softcap > 0) s = c.softcap * std::tanh(s / c.softcap);
          scores.push_back(std::exp(s));
          total += scores.back();
        }
        for (int64_t i = 0; i < c.value_dim; ++i) {
          double want = 0;
          for (int64_t p = begin; p <= last; ++p) want += scores[size_t(p - begin)] / total * v[size_t(row(p) * c.value_dim + i)];
          // Values are up to 1 and scores up to about 5. float16 rounds by 2^-11 of them, Q8_0 by 1/254 of the largest of 32.
          ASSERT_NEAR(y[size_t((t * c.heads + h) * c.value_dim + i)], want, type == kF16 ? 4e-3 : 3e-2)
              << c << ", variant " << pack->variant << ", token " << t;
        }
      }
    }
  }
}

// Single tokens and prompts, in one piece and in several, of heads whose keys and values fit both types of a cache.
const AttentionCase kCases[] = {{9, 3, 64, 64, 16, 1, 1},
                                {9, 3, 64, 64, 16, 1, 200},
                                {9, 3, 64, 64, 16, 50, 130},
                                {4, 1, 256, 256, 32, 1, 90, 40},
                                {4, 1, 256, 256, 32, 70, 70, 20},
                                {9, 3, 64, 64, 32, 1, 1500},
                                {4, 2, 32, 32, 32, 5, 1100},
                                {4, 1, 96, 96, 32, 1, 1200, 700},
                                {40, 1, 32, 32, 16, 3, 600},
                                {2, 1, 64, 64, 16, 30, 1030, 515},
                                // a soft cap
                                {8, 2, 32, 32, 16, 40, 170, 65, 5.0f},
                                {9, 3, 64, 64, 16, 1, 200, 0, 1.0f},
                                {4, 1, 64, 64, 16, 70, 600, 0, 1.0f},
                                // keys and values of different widths
                                {4, 2, 96, 64, 16, 1, 700},
                                {4, 2, 96, 64, 16, 70, 200},
                                {3, 3, 192, 128, 32, 1, 90},
                                {3, 3, 192, 128, 32, 40, 600, 100},
                                {8, 1, 192, 64, 16, 20, 70},
                                {2, 1, 64, 160, 32, 40, 100},
                                // sinks, alone and with all of the above
                                {8, 1, 64, 64, 16, 1, 1},
                                {8, 1, 64, 64, 16, 1, 90, 0, 0, true},
                                {8, 1, 64, 64, 16, 1, 1200, 0, 0, true},
                                {8, 1, 64, 64, 16, 60, 170, 32, 0, true},
                                {8, 2, 96, 64, 16, 40, 600, 65, 5.0f, true},
                                // two-sided, with windows and without
                                {12, 12, 32, 32, 16, 1, 1, 0, 0, false, 1},
                                {12, 12, 32, 32, 32, 9, 9, 0, 0, false, 1},
                                {12, 12, 32, 32, 16, 700, 700, 0, 0, false, 1},
                                {4, 4, 64, 64, 32, 300, 300, 65, 0, false, 1},
                                {4, 1, 64, 64, 16, 5, 90, 33, 5.0f, true, 1}};
// Widths that only F16 holds.
const AttentionCase kOddCases[] = {{4, 4, 20, 20, 16, 33, 100},
                                   {4, 4, 20, 20, 16, 1, 100, 0, 30.0f},
                                   {2, 2, 7, 7, 16, 65, 65, 1},
                                   {4, 2, 24, 41, 16, 33, 100, 0, 0, true},
                                   {2, 2, 41, 24, 16, 33, 600}};
INSTANTIATE_TEST_SUITE_P(F16, PagedAttention, testing::Combine(testing::Values(kF16), testing::ValuesIn(kCases)));
INSTANTIATE_TEST_SUITE_P(OddF16, PagedAttention, testing::Combine(testing::Values(kF16), testing::ValuesIn(kOddCases)));
INSTANTIATE_TEST_SUITE_P(Q8_0, PagedAttention, testing::Combine(testing::Values(kQ8_0), testing::ValuesIn(kCases)));

// The blocks of a sequence are put into other blocks of another cache, by every variant that has the same layout: the bytes are the same
// ones wherever a block was filled, and attention gives the same bits.
TEST_F(Operations, BlocksMayBeMoved) {
  const int64_t heads = 2, key_dim = 96, value_dim = 64, block_tokens = 16, length = 3 * block_tokens;
  const auto k = reals(size_t(length * heads * key_dim), random), v = reals(size_t(length * heads * value_dim), random);
  const auto q = reals(size_t(heads * key_dim), random);
  const auto fill = [&](const mlxr_kernel_pack& pack, mlxr_pool* pool, const Cache& cache, const int32_t* pages) {
    std::vector<int32_t> slots;
    for (int32_t i = 0; i < length; ++i) slots.push_back(pages[i / block_tokens] * int32_t(block_tokens) + i % int32_t(block_tokens));
    const mlxr_kv_store_args args{cache.kv(), k.data(), v.data(), slots.data(), length};
    pack.kv_store(pool, &args);
  };
  const auto attend = [&](const mlxr_kernel_pack& pack, mlxr_pool* pool, const Cache& cache, const int32_t* pages) {
    std::vector<float> y(size_t(heads * value_dim));
    const mlxr_sequence sequence{0, 1, length, pages};
    const mlxr_attention_args args{q.data(), cache.kv(), &sequence, 1, heads, 0.1f, 0, 0, 0, nullptr, y.data()};
    pack.attention(pool, &args);
    return y;
  };
  const int32_t pages[] = {2, 0, 1}, other_pages[] = {1, 6, 3};
  for (const uint32_t type : {kF16, kQ8_0}) {
    for (const auto* from : available()) {
      for (const auto* to : available()) {
        if (std::string(from->cache) != to->cache) continue;
        mlxr_pool* pool = to->pool_create(1);
        Cache cache(*from, type, 3, heads, block_tokens, key_dim, value_dim), other(*to, type, 7, heads, block_tokens, key_dim, value_dim),
            moved(*to, type, 7, heads, block_tokens, key_dim, value_dim);
        fill(*from, pool, cache, pages);
        fill(*to, pool, other, other_pages);
        for (int i = 0; i < 3; ++i) {
          EXPECT_EQ(cache.block(pages[i]), other.block(other_pages[i])) << from->variant << " and " << to->variant;
          moved.put_block(other_pages[i], cache.block(pages[i]));
        }
        EXPECT_EQ(attend(*to, pool, moved, other_pages), attend(*to, pool, other, other_pages)) << to->variant;
        to->pool_destroy(pool);
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
    const Cache cache(*pack, kF16, 2, 1, 16, 8, 8);
    const std::vector<float> k(16, 0.5f), q(8, 1.0f);
    std::vector<float> two = v, y(8);
    two.insert(two.end(), 8, 99.0f);
    const int32_t pages[] = {1, 0}, slots[] = {16, -1};
    const mlxr_kv_store_args args{cache.kv(), k.data(), two.data(), slots, 2};
    pack->kv_store(pool, &args);
    const mlxr_sequence sequence{0, 1, 1, pages};
    const mlxr_attention_args attention{q.data(), cache.kv(), &sequence, 1, 1, 1.0f, 0, 0, 0, nullptr, y.data()};
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
      const Cache cache(*pack, kF16, 63, 1, 32, dim, dim);
      const mlxr_kv_store_args stored{cache.kv(), k.data(), v.data(), slots.data(), length};
      pack->kv_store(pool, &stored);
      const mlxr_sequence sequence{0, 1, length, pages.data()};
      std::vector<float> y(4 * dim);
      const mlxr_attention_args args{q.data(), cache.kv(), &sequence, 1, 4, 0.125f, 0, 0, 0, nullptr, y.data()};
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
    for (const auto page_bytes : {pack->key_page_bytes, pack->value_page_bytes}) {
      EXPECT_EQ(page_bytes(kQ8_0, 32, 20), 0) << "Q8_0 needs widths of a multiple of 32";
      EXPECT_EQ(page_bytes(2, 32, 64), 0) << "Q4_0 is no type of a cache";
      EXPECT_GE(page_bytes(kF16, 32, 64), 2 * 32 * 64);
      EXPECT_GE(page_bytes(kQ8_0, 32, 64), 32 * 64 / 32 * 34);
      for (const int64_t block_tokens : {16, 32, 48})
        for (const int64_t dim : {32, 64, 96, 224})
          EXPECT_EQ(page_bytes(kQ8_0, block_tokens, dim) % 64, 0) << block_tokens << " of " << dim;
    }
  }
}

}  // namespace
}  // namespace mlxr::kernels_test
