// A row of a result depends, bit for bit, only on its own token: every row of a call is compared with the same row computed alone.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/kernels/pack_library.h"
#include "tests/kernels/reference.h"

namespace mlxr::kernels_test {
namespace {

constexpr int64_t kMost = 65;  // tokens

// The number of tokens in a call: every width that a decoding batch has, and prompts for which panels are unpacked.
std::vector<int64_t> widths() {
  std::vector<int64_t> all;
  for (int64_t width = 1; width <= 17; ++width) all.push_back(width);
  all.insert(all.end(), {33, 50, kMost});
  return all;
}

// The rows [first, first + count) of a (…, n) matrix.
std::vector<float> rows_of(const std::vector<float>& matrix, int64_t n, int64_t first, int64_t count) {
  return {matrix.begin() + first * n, matrix.begin() + (first + count) * n};
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Calls compute(pool, first, count), which returns the n values of each of the tokens [first, first + count), for single tokens and for
// every width at several places, with one thread and with two.
template <class Compute>
void expect_rows_alone(const mlxr_kernel_pack& pack, int64_t n, const std::string& what, Compute compute) {
  mlxr_pool *one = pack.pool_create(1), *two = pack.pool_create(2);
  std::vector<float> alone;
  for (int64_t token = 0; token < kMost; ++token) {
    const auto row = compute(one, token, 1);
    alone.insert(alone.end(), row.begin(), row.end());
  }
  for (const int64_t width : widths()) {
    for (const int64_t first : {int64_t{0}, (kMost - width) / 2, kMost - width}) {
      for (mlxr_pool* pool : {one, two})
        EXPECT_TRUE(same_bits(compute(pool, first, width), rows_of(alone, n, first, width)))
            << what << ", variant " << pack.variant << ", tokens " << first << " to " << first + width - 1 << ", "
            << (pool == one ? "one thread" : "two threads");
    }
  }
  pack.pool_destroy(one);
  pack.pool_destroy(two);
}

class RowProducts : public testing::TestWithParam<TypeInfo> {
 protected:
  std::mt19937 random{23};

  // Numbers of columns: short, odd and long rows of a float type; one block, and several.
  std::vector<int64_t> columns() const {
    if (GetParam().block_values == 1) return {1, 3, 32, 37, 64, 96, 577, 2048};
    return {std::max(32, GetParam().block_values), 3 * std::max(32, GetParam().block_values), 1280};
  }
};

TEST_P(RowProducts, OfQGemm) {
  const TypeInfo& type = GetParam();
  for (const int64_t k : columns()) {
    const int64_t n = 83;  // panels of every variant in pairs, one alone, and one with few rows
    const auto packed = packed_rows(type, n, k, Fill::kRandom, 0.1, random);
    const auto x = reals(size_t(kMost * k), random), bias = reals(size_t(n), random), residual = reals(size_t(kMost * n), random);
    for (const auto* pack : available()) {
      mlxr_pool* maker = pack->pool_create(1);
      const Panels panels(*pack, maker, {type.number, n, k, packed.data()});
      pack->pool_destroy(maker);
      expect_rows_alone(*pack, n, type.name + (", columns " + std::to_string(k)), [&](mlxr_pool* pool, int64_t first, int64_t count) {
        std::vector<float> y(size_t(count * n));
        const mlxr_gemm_output output{panels.matrix(), bias.data(), residual.data() + first * n, y.data()};
        const mlxr_gemm_args args{x.data() + first * k, count, k, 1, &output};
        pack->q_gemm(pool, &args);
        return y;
      });
    }
  }
}

TEST_P(RowProducts, OfGatedMlp) {
  const TypeInfo& type = GetParam();
  const int64_t k = columns().back(), n = 50;
  const auto gate = packed_rows(type, n, k, Fill::kRandom, 0.02, random), up = packed_rows(type, n, k, Fill::kRandom, 0.02, random);
  const auto x = reals(size_t(kMost * k), random), bias = reals(size_t(n), random);
  for (const auto* pack : available()) {
    mlxr_pool* maker = pack->pool_create(1);
    const Panels gates(*pack, maker, {type.number, n, k, gate.data()}), ups(*pack, maker, {type.number, n, k, up.data()});
    pack->pool_destroy(maker);
    for (const auto activation : {MLXR_ACT_SILU, MLXR_ACT_GELU_TANH}) {
      expect_rows_alone(*pack, n, type.name, [&](mlxr_pool* pool, int64_t first, int64_t count) {
        std::vector<float> y(size_t(count * n));
        const mlxr_gated_args args{x.data() + first * k, count, gates.matrix(), ups.matrix(), bias.data(), nullptr, activation, y.data()};
        pack->gated_mlp(pool, &args);
        return y;
      });
    }
  }
}

TEST_P(RowProducts, OfGetRows) {
  const TypeInfo& type = GetParam();
  const int64_t k = 2560, n = kMost;  // so many values that several threads decode them
  const auto packed = packed_rows(type, n, k, Fill::kRandom, 0.3, random);
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < int32_t(n); ++i) ids.push_back(i * 7 % int32_t(n));
  for (const auto* pack : available()) {
    mlxr_pool* maker = pack->pool_create(1);
    const Panels panels(*pack, maker, {type.number, n, k, packed.data()});
    pack->pool_destroy(maker);
    expect_rows_alone(*pack, k, type.name, [&](mlxr_pool* pool, int64_t first, int64_t count) {
      std::vector<float> y(size_t(count * k));
      const mlxr_get_rows_args args{panels.matrix(), ids.data() + first, count, 0.7f, y.data()};
      pack->get_rows(pool, &args);
      return y;
    });
  }
}

INSTANTIATE_TEST_SUITE_P(Types, RowProducts, testing::ValuesIn(types()), [](const auto& test) { return test.param.name; });

TEST(Rows, OfRmsNorm) {
  std::mt19937 random(29);
  for (const int64_t d : {5, 67, 2560}) {
    const auto x = reals(size_t(kMost * d), random, 3), weight = reals(size_t(d), random), residual = reals(x.size(), random);
    for (const bool with_residual : {false, true}) {
      for (const auto* pack : available()) {
        expect_rows_alone(*pack, d, "rms_norm", [&](mlxr_pool* pool, int64_t first, int64_t count) {
          std::vector<float> y(size_t(count * d));
          const mlxr_rms_norm_args args{
              x.data() + first * d, weight.data(), with_residual ? residual.data() + first * d : nullptr, 1e-5f, count, d, y.data()};
          pack->rms_norm(pool, &args);
          return y;
        });
      }
    }
  }
}

TEST(Rows, OfLayerNormActivationsAndSoftCaps) {
  std::mt19937 random(37);
  for (const int64_t d : {5, 67, 2560}) {
    const auto x = reals(size_t(kMost * d), random, 3), weight = reals(size_t(d), random), bias = reals(size_t(d), random);
    for (const auto* pack : available()) {
      const auto alone = [&](const char* name, auto compute) {
        expect_rows_alone(*pack, d, name, [&](mlxr_pool* pool, int64_t first, int64_t count) {
          std::vector<float> y(size_t(count * d));
          compute(pool, x.data() + first * d, count, y.data());
          return y;
        });
      };
      alone("layer_norm", [&](mlxr_pool* pool, const float* from, int64_t count, float* y) {
        const mlxr_layer_norm_args args{from, weight.data(), bias.data(), nullptr, 1e-5f, count, d, 1, y};
        pack->layer_norm(pool, &args);
      });
      alone("activate", [&](mlxr_pool* pool, const float* from, int64_t count, float* y) {
        const mlxr_activate_args args{from, nullptr, count, d, MLXR_ACT_GELU_TANH, y};
        pack->activate(pool, &args);
      });
      alone("softcap", [&](mlxr_pool* pool, const float* from, int64_t count, float* y) {
        const mlxr_softcap_args args{from, count, d, 1.5f, y};
        pack->softcap(pool, &args);
      });
    }
  }
}

TEST(Rows, OfRotations) {
  std::mt19937 random(31);
  const int64_t pairs = 84;
  const auto frequencies = reals(size_t(pairs), random);
  std::vector<int32_t> positions;
  for (int32_t i = 0; i < int32_t(kMost); ++i) positions.push_back(i * 131 % 4099);
  for (const auto* pack : available()) {
    expect_rows_alone(*pack, 2 * pairs, "rotations", [&](mlxr_pool* pool, int64_t first, int64_t count) {
      const auto n = size_t(count * pairs);
      std::vector<float> cosines(n), sines(n), rows;
      const mlxr_rotations_args args{positions.data() + first, frequencies.data(), count, pairs, 1.5f, cosines.data(), sines.data()};
      pack->rotations(pool, &args);
      for (size_t at = 0; at < n; at += size_t(pairs)) {
        rows.insert(rows.end(), &cosines[at], &cosines[at] + pairs);
        rows.insert(rows.end(), &sines[at], &sines[at] + pairs);
      }
      return rows;
    });
  }
}

TEST(Rows, OfRope) {
  std::mt19937 random(31);
  const int64_t heads = 14, dim = 96, n = heads * dim;
  const auto x = reals(size_t(kMost * n), random);
  for (const int64_t pairs : {20, 48}) {
    const auto cosines = reals(size_t(kMost * pairs), random), sines = reals(cosines.size(), random);
    for (const int interleaved : {0, 1}) {
      for (const bool in_place : {false, true}) {
        for (const auto* pack : available()) {
          expect_rows_alone(*pack, n, "rope", [&](mlxr_pool* pool, int64_t first, int64_t count) {
            std::vector<float> from = rows_of(x, n, first, count), y(from.size());
            float* to = in_place ? from.data() : y.data();
            const float *cosine = cosines.data() + first * pairs, *sine = sines.data() + first * pairs;
            const mlxr_rope_args args{from.data(), cosine, sine, count, heads, dim, pairs, interleaved, to};
            pack->rope(pool, &args);
            return in_place ? from : y;
          });
        }
      }
    }
  }
}

}  // namespace
}  // namespace mlxr::kernels_test
