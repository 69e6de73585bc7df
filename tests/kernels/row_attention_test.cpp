// Attention of a token depends, bit for bit, only on its query and on the keys and values it sees: sequences are computed in calls of
// different sizes, alone and beside others, and every token's result is compared with the one of a call of its own.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "tests/kernels/pack_library.h"
#include "tests/kernels/reference.h"

namespace mlxr::kernels_test {
namespace {

constexpr uint32_t kF16 = 1, kQ8_0 = 8;

struct Shape {
  uint32_t type;
  int64_t heads, kv_heads, key_dim, value_dim, block_tokens, length;
  int32_t window;
  float softcap;
  bool has_sinks = false;

  int64_t q_row() const { return heads * key_dim; }
  int64_t k_row() const { return kv_heads * key_dim; }
  int64_t v_row() const { return kv_heads * value_dim; }
  int64_t row() const { return heads * value_dim; }
  int64_t blocks() const { return (length + block_tokens - 1) / block_tokens; }
};

std::ostream& operator<<(std::ostream& out, const Shape& s) {
  return out << (s.type == kF16 ? "F16" : "Q8_0") << ", heads " << s.heads << "/" << s.kv_heads << " of " << s.key_dim << " and "
             << s.value_dim << ", blocks of " << s.block_tokens << ", " << s.length << " tokens, window " << s.window << ", softcap "
             << s.softcap << (s.has_sinks ? ", sinks" : "");
}

// The activations of one sequence, and the sinks.
struct Tokens {
  std::vector<float> q, k, v, sinks;
  Tokens(const Shape& s, std::mt19937& random)
      : q(reals(size_t(s.length * s.q_row()), random, 2)),
        k(reals(size_t(s.length * s.k_row()), random, 2)),
        v(reals(size_t(s.length * s.v_row()), random)),
        sinks(reals(size_t(s.heads), random, 8)) {}
};

// How a sequence is computed.
struct Schedule {
  int64_t chunk;  // new tokens in a call; in the last one those that are left
  int threads = 2;
  int64_t others = 0;    // sequences before it and after it in every call, each with the tokens of the sequence in another order
  bool release = false;  // blocks that no window reaches any more are overwritten by NaN, and their entries in `pages` by -1
};

// The results of all tokens of a sequence. Its blocks, and the others', lie in any order in a cache that is NaN where nothing was stored.
class Run {
 public:
  Run(const mlxr_kernel_pack& pack, const Shape& shape, const Tokens& tokens, const Schedule& schedule)
      : pack_(pack),
        shape_(shape),
        tokens_(tokens),
        schedule_(schedule),
        n_sequences_(1 + 2 * schedule.others),
        cache_(pack, shape.type, shape.blocks() * n_sequences_, shape.kv_heads, shape.block_tokens, shape.key_dim, shape.value_dim),
        pages_(size_t(shape.blocks() * n_sequences_)) {
    std::iota(pages_.begin(), pages_.end(), 0);
    std::mt19937 random(5);
    std::shuffle(pages_.begin(), pages_.end(), random);
  }

  std::vector<float> results() {
    mlxr_pool* pool = pack_.pool_create(schedule_.threads);
    std::vector<float> all;
    for (int64_t first = 0; first < shape_.length; first += schedule_.chunk) {
      if (schedule_.release && first > 0) release(first);
      const int64_t count = std::min(schedule_.chunk, shape_.length - first);
      const auto y = step(pool, first, count);
      const auto ours = y.begin() + schedule_.others * count * shape_.row();
      all.insert(all.end(), ours, ours + count * shape_.row());
    }
    pack_.pool_destroy(pool);
    return all;
  }

 private:
  int32_t* pages_of(int64_t sequence) { return pages_.data() + sequence * shape_.blocks(); }

  // Which of the given tokens stands at a position of a sequence: each of the others begins elsewhere.
  int64_t token_at(int64_t sequence, int64_t position) const {
    return (position + 17 * (sequence - schedule_.others + n_sequences_) * int64_t(sequence != schedule_.others)) % shape_.length;
  }

  std::vector<float> step(mlxr_pool* pool, int64_t first, int64_t count) {
    std::vector<float> q, k, v;
    std::vector<int32_t> slots;
    std::vector<mlxr_sequence> sequences;
    const auto append = [](std::vector<float>& to, const std::vector<float>& from, int64_t row, int64_t n) {
      to.insert(to.end(), from.begin() + row * n, from.begin() + (row + 1) * n);
    };
    for (int64_t s = 0; s < n_sequences_; ++s) {
      sequences.push_back({s * count, count, first + count, pages_of(s)});
      for (int64_t position = first; position < first + count; ++position) {
        const int64_t token = token_at(s, position);
        append(q, tokens_.q, token, shape_.q_row());
        append(k, tokens_.k, token, shape_.k_row());
        append(v, tokens_.v, token, shape_.v_row());
        slots.push_back(pages_of(s)[position / shape_.block_tokens] * int32_t(shape_.block_tokens) +
                        int32_t(position % shape_.block_tokens));
      }
    }
    const mlxr_kv_store_args stored{cache_.kv(), k.data(), v.data(), slots.data(), n_sequences_ * count};
    pack_.kv_store(pool, &stored);
    std::vector<float> y(size_t(n_sequences_ * count * shape_.row()));
    const mlxr_attention_args args{q.data(),         cache_.kv(),
                                   sequences.data(), int32_t(n_sequences_),
                                   shape_.heads,     0.125f,
                                   shape_.window,    0,
                                   shape_.softcap,   shape_.has_sinks ? tokens_.sinks.data() : nullptr,
                                   y.data()};
    pack_.attention(pool, &args);
    return y;
  }

  // Before a call whose first token stands at `position`.
  void release(int64_t position) {
    for (int64_t block = 0; (block + 1) * shape_.block_tokens <= position - shape_.window + 1; ++block) {
      int32_t& page = pages_of(0)[block];
      if (page < 0) continue;
      cache_.spoil(page);
      page = -1;
    }
  }

  const mlxr_kernel_pack& pack_;
  const Shape& shape_;
  const Tokens& tokens_;
  const Schedule schedule_;
  const int64_t n_sequences_;
  Cache cache_;
  std::vector<int32_t> pages_;  // of each sequence
};

// The first token whose results differ, or -1.
int64_t first_difference(const Shape& shape, const std::vector<float>& a, const std::vector<float>& b) {
  for (int64_t token = 0; token < shape.length; ++token)
    if (std::memcmp(&a[size_t(token * shape.row())], &b[size_t(token * shape.row())], size_t(shape.row()) * 4) != 0) return token;
  return -1;
}

void expect_same(const Shape& shape, const std::vector<Schedule>& schedules) {
  std::mt19937 random(13);
  const Tokens tokens(shape, random);
  for (const auto* pack : available()) {
    const auto alone = Run(*pack, shape, tokens, {.chunk = 1, .threads = 1}).results();
    for (float value : alone) ASSERT_TRUE(std::isfinite(value)) << shape << ", variant " << pack->variant;
    for (const Schedule& schedule : schedules)
      EXPECT_EQ(first_difference(shape, alone, Run(*pack, shape, tokens, schedule).results()), -1)
          << shape << ", variant " << pack->variant << ", calls of " << schedule.chunk << ", " << schedule.threads << " threads, "
          << schedule.others << " others on each side";
  }
}

// heads, KV heads, values of a head: groups of 1, 3 and 8
struct Heads {
  int64_t heads, kv_heads, dim;
};
class RowAttention : public testing::TestWithParam<std::tuple<uint32_t, Heads, int32_t, float>> {};

TEST_P(RowAttention, IsTheSameForEveryCutIntoCalls) {
  const auto& [type, heads, window, softcap] = GetParam();
  expect_same({type, heads.heads, heads.kv_heads, heads.dim, heads.dim, 32, 580, window, softcap},
              {{.chunk = 7}, {.chunk = 64}, {.chunk = 512}, {.chunk = 580, .threads = 1}, {.chunk = 100, .others = 1}});
}
constexpr Heads kThree{3, 1, 64}, kEach{2, 2, 80}, kEight{8, 1, 128};
INSTANTIATE_TEST_SUITE_P(F16, RowAttention,
                         testing::Combine(testing::Values(kF16), testing::Values(kThree, kEach, kEight), testing::Values(0, 16, 100),
                                          testing::Values(0.0f, 30.0f)));
INSTANTIATE_TEST_SUITE_P(Q8_0, RowAttention,
                         testing::Combine(testing::Values(kQ8_0), testing::Values(kThree, kEight), testing::Values(0, 16, 100),
                                          testing::Values(0.0f, 30.0f)));

// A few rows are multiplied with several panels of keys at once, in short heads and in heads whose columns are cut into parts.
TEST(RowAttention, OfSmallGroups) {
  for (const Heads& heads : {Heads{2, 2, 256}, Heads{2, 1, 64}, Heads{4, 1, 256}, Heads{1, 1, 320}, Heads{3, 1, 320}})
    expect_same({kF16, heads.heads, heads.kv_heads, heads.dim, heads.dim, 16, 300, 0, 0},
                {{.chunk = 2}, {.chunk = 3}, {.chunk = 4}, {.chunk = 7}, {.chunk = 300}, {.chunk = 100, .others = 1}});
}

TEST(RowAttention, OfALongPrompt) {
  for (const uint32_t type : {kF16, kQ8_0})
    for (const int32_t window : {0, 600})
      expect_same({type, 3, 1, 64, 64, 16, 1200, window, 0}, {{.chunk = 64}, {.chunk = 512, .others = 1}, {.chunk = 1200}});
}

TEST(RowAttention, OfWideKeysWithSinks) {
  for (const uint32_t type : {kF16, kQ8_0})
    for (const int32_t window : {0, 100})
      expect_same({type, 4, 2, 96, 64, 16, 580, window, 0, true},
                  {{.chunk = 7}, {.chunk = 512}, {.chunk = 580, .threads = 1}, {.chunk = 100, .others = 1}});
}

TEST(RowAttention, OfSingleTokensBesideOthers) {
  for (const uint32_t type : {kF16, kQ8_0}) expect_same({type, 9, 3, 64, 64, 16, 600, 0, 0}, {{.chunk = 1, .others = 4}});
}

// The entries of blocks that lie wholly below every window of a call are not read, nor is their memory.
TEST(RowAttention, DoesNotReadBlocksBelowTheWindow) {
  for (const uint32_t type : {kF16, kQ8_0})
    for (const int32_t window : {16, 100, 513})
      expect_same({type, 3, 1, 64, 64, 16, 700, window, 0},
                  {{.chunk = 1, .release = true}, {.chunk = 7, .release = true}, {.chunk = 300, .release = true}});
}

}  // namespace
}  // namespace mlxr::kernels_test
