// q_gemm, gated_mlp and get_rows: every type, every variant, against products in double.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernels/pack_library.h"
#include "tests/kernels/reference.h"

namespace mlxr::kernels_test {
namespace {

// Of the sum of the magnitudes of all terms: float32 sums of up to 2048 products in any order. The rounding of x to int8 or bfloat16 is
// part of the reference, so that only float32 rounding is left.
constexpr double kGemmTolerance = 4e-6;

struct Product {
  std::vector<double> value, magnitude;  // (n_tokens, n)
};

// x · wᵀ, with x as the pack sees it.
Product product(const TypeInfo& type, const std::vector<uint8_t>& rows, int64_t n, int64_t k, const std::vector<float>& x, int64_t tokens) {
  Product p;
  std::vector<double> w(static_cast<size_t>(n * k));
  const int64_t row_bytes = k / type.block_values * type.block_bytes;
  for (int64_t r = 0; r < n; ++r)
    for (int64_t i = 0; i < k; ++i) w[size_t(r * k + i)] = weight(type, rows.data() + r * row_bytes, i);
  for (int64_t t = 0; t < tokens; ++t) {
    std::vector<double> q(x.begin() + t * k, x.begin() + (t + 1) * k);
    if (type.block_values > 1) q = as_int8(x.data() + t * k, k);
    if (type.number == 30) q = as_bfloat16(x.data() + t * k, k);
    for (int64_t r = 0; r < n; ++r) {
      double sum = 0, magnitude = 0;
      for (int64_t i = 0; i < k; ++i) {
        sum += q[size_t(i)] * w[size_t(r * k + i)];
        magnitude += std::fabs(q[size_t(i)]) * (std::fabs(w[size_t(r * k + i)]));
      }
      p.value.push_back(sum);
      p.magnitude.push_back(magnitude);
    }
  }
  return p;
}

class Gemm : public testing::TestWithParam<TypeInfo> {
 protected:
  std::mt19937 random{7};
};

TEST_P(Gemm, AgreesWithDoubleForEveryShape) {
  const TypeInfo& type = GetParam();
  const int64_t unit = std::max(32, type.block_values), odd = type.block_values == 1 ? 37 : unit;
  for (const auto* pack : available()) {
    ASSERT_TRUE(pack->supports(type.number));
    for (int threads : {1, 3}) {
      mlxr_pool* pool = pack->pool_create(threads);
      for (int64_t k : {unit, odd, 3 * unit, 5 * unit}) {
        for (int64_t n : {1, 7, 16, 33, 130}) {
          const auto rows = packed_rows(type, n, k, Fill::kRandom, 0.1, random);
          const Panels panels(*pack, pool, {type.number, n, k, rows.data()});
          for (int64_t tokens : {1, 2, 3, 4, 5, 7, 8, 11, 17, 33, 64}) {
            if (tokens > 17 && n > 33) continue;
            const auto x = reals(size_t(tokens * k), random);
            const auto bias = reals(size_t(n), random);
            auto y = reals(size_t(tokens * n), random);
            const auto residual = y;
            const mlxr_gemm_output output{panels.matrix(), bias.data(), y.data(), y.data()};
            const mlxr_gemm_args args{x.data(), tokens, k, 1, &output};
            pack->q_gemm(pool, &args);
            const Product expected = product(type, rows, n, k, x, tokens);
            for (size_t i = 0; i < y.size(); ++i) {
              // decoding takes offset and quants apart: up to 9 times the magnitude of a weight cancels
              const double want = expected.value[i] + bias[i % size_t(n)] + residual[i];
              ASSERT_NEAR(y[i], want, kGemmTolerance * (9 * expected.magnitude[i] + 8))
                  << pack->variant << " k " << k << " n " << n << " tokens " << tokens << " at " << i;
            }
          }
        }
      }
      pack->pool_destroy(pool);
    }
  }
}

// x of whole numbers with a largest of 127 quantizes to itself, and float16 scales of 1 make all terms whole: below 2^24 every partial sum
// is exact in float32, whatever its order. Any saturation or lost bit of the integer paths shows as a difference.
TEST_P(Gemm, IntegersAreExact) {
  const TypeInfo& type = GetParam();
  if (type.block_values == 1) GTEST_SKIP() << "a float type has no integer path";
  const int64_t k = 256, n = 20;
  for (const Fill fill : {Fill::kRandom, Fill::kOnes, Fill::kZeros, Fill::kMinimum}) {
    auto rows = packed_rows(type, n, k, fill == Fill::kRandom ? Fill::kOnes : fill, 1.0, random);
    if (fill == Fill::kRandom) {  // random quants, scales of 1
      const auto noise = packed_rows(type, n, k, Fill::kRandom, 1.0, random);
      for (size_t i = 0; i < rows.size(); ++i) {
        const int at = int(i % size_t(type.block_bytes));
        bool is_half = false;
        for (int field : type.half_fields) is_half |= at == field || at == field + 1;
        if (!is_half) rows[i] = is_scale(type, at) ? scale_of_one(type, at) : noise[i];
      }
    }
    for (int pattern = 0; pattern < 3; ++pattern) {
      for (int64_t tokens : {1, 2, 4, 5, 16}) {
        std::vector<float> x(size_t(tokens * k));
        for (size_t i = 0; i < x.size(); ++i)
          x[i] = pattern == 0 ? 127.0f : pattern == 1 ? -127.0f : i % 32 == 0 ? 127.0f : float(int(random() % 255) - 127);
        const Product expected = product(type, rows, n, k, x, tokens);
        for (const auto* pack : available()) {
          mlxr_pool* pool = pack->pool_create(1);
          std::vector<float> y(size_t(tokens * n));
          const Panels panels(*pack, pool, {type.number, n, k, rows.data()});
          const mlxr_gemm_output output{panels.matrix(), nullptr, nullptr, y.data()};
          const mlxr_gemm_args args{x.data(), tokens, k, 1, &output};
          pack->q_gemm(pool, &args);
          pack->pool_destroy(pool);
          for (size_t i = 0; i < y.size(); ++i) {
            // 2^24 bounds the parts (scale * quants, offset * sum) before they cancel; Q6_K with scales of -128 exceeds it
            const double slack = 9 * expected.magnitude[i] < 0x1p24 ? 0 : 9 * expected.magnitude[i] * 0x1p-22;
            ASSERT_NEAR(y[i], expected.value[i], slack) << pack->variant << " pattern " << pattern << " tokens " << tokens;
          }
        }
      }
    }
  }
}

TEST_P(Gemm, ZeroAndHugeActivations) {
  const TypeInfo& type = GetParam();
  const int64_t k = 256, n = 9;
  const auto rows = packed_rows(type, n, k, Fill::kRandom, 0.5, random);
  for (const float scale : {0.0f, 1e-38f, 1e-30f, 1e30f}) {
    for (int64_t tokens : {1, 6}) {
      const auto x = reals(size_t(tokens * k), random, scale);
      const Product expected = product(type, rows, n, k, x, tokens);
      for (const auto* pack : available()) {
        mlxr_pool* pool = pack->pool_create(1);
        std::vector<float> y(size_t(tokens * n), 1.0f);
        const Panels panels(*pack, pool, {type.number, n, k, rows.data()});
        const mlxr_gemm_output output{panels.matrix(), nullptr, nullptr, y.data()};
        const mlxr_gemm_args args{x.data(), tokens, k, 1, &output};
        pack->q_gemm(pool, &args);
        pack->pool_destroy(pool);
        for (size_t i = 0; i < y.size(); ++i)
          ASSERT_NEAR(y[i], expected.value[i], 9 * kGemmTolerance * expected.magnitude[i] + 1e-33) << pack->variant << " scale " << scale;
      }
    }
  }
}

TEST_P(Gemm, SeveralOutputsAndGatedMlp) {
  const TypeInfo& type = GetParam();
  const int64_t k = 512, n = 50, m = 17;
  const auto first = packed_rows(type, n, k, Fill::kRandom, 0.02, random), second = packed_rows(type, n, k, Fill::kRandom, 0.02, random);
  for (int64_t tokens : {1, 4, 13}) {
    const auto x = reals(size_t(tokens * k), random);
    const Product a = product(type, first, n, k, x, tokens), b = product(type, second, n, k, x, tokens);
    for (const auto* pack : available()) {
      mlxr_pool* pool = pack->pool_create(2);
      std::vector<float> y0(size_t(tokens * n)), y1(size_t(tokens * m));
      const Panels left(*pack, pool, {type.number, n, k, first.data()}), right(*pack, pool, {type.number, n, k, second.data()}),
          part(*pack, pool, {type.number, m, k, second.data()});
      const mlxr_gemm_output outputs[] = {{left.matrix(), nullptr, nullptr, y0.data()}, {part.matrix(), nullptr, nullptr, y1.data()}};
      const mlxr_gemm_args args{x.data(), tokens, k, 2, outputs};
      pack->q_gemm(pool, &args);
      for (int64_t t = 0; t < tokens; ++t) {
        for (int64_t r = 0; r < n; ++r) {
          const size_t at = size_t(t * n + r);
          ASSERT_NEAR(y0[at], a.value[at], 9 * kGemmTolerance * a.magnitude[at] + 1e-6) << pack->variant;
          if (r < m) {
            ASSERT_NEAR(y1[size_t(t * m + r)], b.value[at], 9 * kGemmTolerance * b.magnitude[at] + 1e-6) << pack->variant;
          }
        }
      }
      for (const auto activation : {MLXR_ACT_SILU, MLXR_ACT_GELU_TANH}) {
        for (const int biases : {0, 1, 2, 3}) {  // of gate, up, both
          const auto gate_bias = reals(size_t(n), random), up_bias = reals(size_t(n), random);
          const mlxr_gated_args gated{x.data(),
                                      tokens,
                                      left.matrix(),
                                      right.matrix(),
                                      biases & 1 ? gate_bias.data() : nullptr,
                                      biases & 2 ? up_bias.data() : nullptr,
                                      activation,
                                      y0.data()};
          pack->gated_mlp(pool, &gated);
          for (size_t i = 0; i < y0.size(); ++i) {
            const double v = a.value[i] + (biases & 1 ? gate_bias[i % size_t(n)] : 0);
            const double up = b.value[i] + (biases & 2 ? up_bias[i % size_t(n)] : 0);
            const double act =
                activation == MLXR_ACT_SILU ? v / (1 + std::exp(-v)) : 0.5 * v * (1 + std::tanh(0.7978845608 * (v + 0.044715 * v * v * v)));
            const double bound = 9 * kGemmTolerance * (1.2 * a.magnitude[i] * (std::fabs(up) + 1) + b.magnitude[i] * (std::fabs(act) + 1));
            ASSERT_NEAR(y0[i], act * up, bound + 1e-5) << pack->variant << " activation " << activation << " biases " << biases;
          }
        }
      }
      pack->pool_destroy(pool);
    }
  }
}

// NaN and infinity come through: damaged weights must not become an answer. A bad value of x spoils its own row and no other.
TEST_P(Gemm, NanAndInfinityComeThrough) {
  const TypeInfo& type = GetParam();
  const int64_t k = 256, n = 19, tokens = 5;
  const auto rows = packed_rows(type, n, k, Fill::kOnes, 0.5, random);
  for (const float bad : {NAN, -NAN, INFINITY, -INFINITY}) {
    for (const int64_t at : {0, 31, 100, 255}) {
      auto x = reals(size_t(tokens * k), random);
      x[size_t(2 * k + at)] = bad;
      for (const auto* pack : available()) {
        mlxr_pool* pool = pack->pool_create(1);
        const Panels panels(*pack, pool, {type.number, n, k, rows.data()});
        std::vector<float> y(size_t(tokens * n));
        const mlxr_gemm_output output{panels.matrix(), nullptr, nullptr, y.data()};
        const mlxr_gemm_args args{x.data(), tokens, k, 1, &output};
        pack->q_gemm(pool, &args);
        pack->pool_destroy(pool);
        for (size_t i = 0; i < y.size(); ++i) ASSERT_EQ(std::isfinite(y[i]), i / size_t(n) != 2) << pack->variant << " at " << at;
      }
    }
  }
}

TEST_P(Gemm, GetRowsDecodesExactly) {
  const TypeInfo& type = GetParam();
  const int64_t k = 512, n = 12;
  const auto rows = packed_rows(type, n, k, Fill::kRandom, 0.3, random);
  const std::vector<int32_t> ids = {11, 0, 5, 5};
  for (const auto* pack : available()) {
    mlxr_pool* pool = pack->pool_create(2);
    std::vector<float> y(ids.size() * size_t(k));
    const Panels panels(*pack, pool, {type.number, n, k, rows.data()});
    const mlxr_get_rows_args args{panels.matrix(), ids.data(), int64_t(ids.size()), 2.0f, y.data()};
    pack->get_rows(pool, &args);
    pack->pool_destroy(pool);
    const int64_t row_bytes = k / type.block_values * type.block_bytes;
    for (size_t i = 0; i < y.size(); ++i) {
      const double want = 2 * weight(type, rows.data() + ids[i / size_t(k)] * row_bytes, int64_t(i) % k);
      ASSERT_NEAR(y[i], want, std::fabs(want) * 1.2e-7 + 64 * 0x1p-24) << pack->variant << " at " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, Gemm, testing::ValuesIn(types()), [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace mlxr::kernels_test
