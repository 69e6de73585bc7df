// Every type of weights, with and without bias and residual, for one token and for many: MLX expressions, which decode the weights and
// multiply in float32, beside every variant of the kernel pack that this machine runs.
#include <gtest/gtest.h>
#include <mlx/ops.h>

#include <cstdlib>
#include <random>

#include "core/ops/ops.h"
#include "core/ops/pack.h"
#include "core/quant/convert.h"
#include "core/quant/dequantize.h"
#include "core/quant/quantize.h"
#include "kernels/cpu/types.h"
#include "tests/core/ops/arrays.h"
#include "tests/core/quant/random_blocks.h"

namespace mlxr::ops {
namespace {

using quant::Type;

constexpr Type kTypes[] = {Type::kF32,    Type::kF16,     Type::kBF16,   Type::kQ4_0,  Type::kQ4_1,    Type::kQ5_0,  Type::kQ5_1,
                           Type::kQ8_0,   Type::kQ2_K,    Type::kQ3_K,   Type::kQ4_K,  Type::kQ5_K,    Type::kQ6_K,  Type::kIQ1_S,
                           Type::kIQ1_M,  Type::kIQ2_XXS, Type::kIQ2_XS, Type::kIQ2_S, Type::kIQ3_XXS, Type::kIQ3_S, Type::kIQ4_NL,
                           Type::kIQ4_XS, Type::kTQ1_0,   Type::kTQ2_0,  Type::kMXFP4, Type::kNVFP4,   Type::kQ1_0};

bool in_the_pack(Type type) { return kernels::layout(static_cast<std::uint32_t>(type)).block_values != 0; }

// Rows of a type, as a file has them.
std::vector<std::byte> packed(Type type, int n, int k, unsigned seed) {
  const auto count = static_cast<std::size_t>(n) * static_cast<std::size_t>(k);
  if (!quant::has_encoder(type)) return quant::random_blocks(type, count / quant::traits(type).block_size, seed);
  const auto floats = values(random({n, k}, seed));
  std::vector<std::byte> rows(quant::row_bytes(type, count));
  quant::quantize_row(type, floats.data(), rows.data(), count);
  return rows;
}

const Step kNoStep{Batch()};  // what products compute does not depend on the step

struct Matrix {
  Matrix(Type type, int n, int k, unsigned seed) : file(type, {n, k}, packed(type, n, k, seed)), converted(stand_in(file)) {}

  // The expressions get the weights as the pack has them: what a conversion loses is in tests/core/quant/convert_test.cpp.
  WeightPtr prepare(const Ops& ops, bool with_bias) const {
    const auto& tensor = (ops.converted_type(file.tensor) ? file : converted).tensor;
    std::vector<float> bias;
    if (with_bias)
      bias = values(mx::multiply(random({static_cast<int>(tensor.shape[0])}, 77), mx::array(20.0f)));  // as large as the products
    const auto panels = Panels::open({&tensor, 1}, ops, {}).value();
    return ops.prepare(tensor, bias, *panels).value();
  }

  struct Stored {
    Stored(Type type, std::vector<std::int64_t> shape, std::vector<std::byte> its_rows)
        : rows(std::move(its_rows)), tensor{"w", type, std::move(shape), 0, rows.size(), &source} {}
    std::vector<std::byte> rows;
    formats::MemorySource source{rows};
    formats::Tensor tensor;
  };
  static Stored stand_in(const Stored& file) {
    if (in_the_pack(file.tensor.type)) return {file.tensor.type, file.tensor.shape, file.rows};
    constexpr auto type = quant::kStandIn;
    std::vector<std::byte> rows(quant::row_bytes(type, file.tensor.elements()));
    EXPECT_TRUE(quant::convert_row(file.tensor.type, file.rows.data(), rows.data(), file.tensor.elements()));
    return {type, file.tensor.shape, std::move(rows)};
  }
  const Stored file, converted;
};

// Activations that the pack's rounding (8 bits in blocks of 32, or bfloat16) leaves as they are: multiples of 1/128, and a largest of
// 127/128 in each block. What is left between the implementations is the order of float32 sums.
mx::array exact_activations(int tokens, int k) {
  std::mt19937 generator(5);
  std::vector<float> x;
  for (int i = 0; i < tokens * k; ++i)
    x.push_back(i % 32 == 7 ? 127 / 128.0f : static_cast<float>(static_cast<int>(generator() % 255) - 127) / 128);
  return mx::array(x.data(), mx::Shape{tokens, k}, mx::float32);
}

class PackedTypes : public ::testing::TestWithParam<std::tuple<const char*, Type>> {
 protected:
  void SetUp() override {
    auto pack = KernelPack::load(std::getenv("MLXR_KERNEL_PACK"), std::get<0>(GetParam()), 2);
    if (!pack && pack.error().code == ErrorCode::kUnsupported) GTEST_SKIP() << "this processor cannot run " << std::get<0>(GetParam());
    ASSERT_TRUE(pack) << pack.error().message;
    pack_ = make_pack_ops(*pack);
  }
  Type type() const { return std::get<1>(GetParam()); }
  static constexpr double kTolerance = 2e-5;

  std::unique_ptr<const Ops> mlx_ = make_mlx_ops(), pack_;
};

TEST_P(PackedTypes, ProductsWithAndWithoutBiasAndResidual) {
  for (const auto& [n, k] : {std::pair{1, 256}, {33, 512}, {130, 256}}) {
    const Matrix matrix(type(), n, k, 3);
    for (const bool bias : {false, true}) {
      const auto wanted = matrix.prepare(*mlx_, bias), got = matrix.prepare(*pack_, bias);
      for (const int tokens : {1, 5, 17, 40}) {
        const auto x = exact_activations(tokens, k), residual = random({tokens, n}, 9);
        EXPECT_LT(error(pack_->q_gemm(kNoStep, x, *got), mlx_->q_gemm(kNoStep, x, *wanted)), kTolerance)
            << n << " " << tokens << " " << bias;
        EXPECT_LT(error(pack_->q_gemm(kNoStep, x, *got, residual), mlx_->q_gemm(kNoStep, x, *wanted, residual)), kTolerance)
            << n << " " << tokens << " " << bias;
      }
    }
  }
}

TEST_P(PackedTypes, SeveralMatricesThatShareTheirInput) {
  const Matrix a(type(), 33, 256, 1), b(type(), 7, 256, 2);
  for (const int tokens : {1, 19}) {
    const auto run = [&](const Ops& ops) {
      const auto wa = a.prepare(ops, true), wb = b.prepare(ops, false);
      return ops.q_gemm(kNoStep, exact_activations(tokens, 256), {wa.get(), wb.get()});
    };
    const auto got = run(*pack_), want = run(*mlx_);
    for (int i = 0; i < 2; ++i) EXPECT_LT(error(got[static_cast<std::size_t>(i)], want[static_cast<std::size_t>(i)]), kTolerance);
  }
}

TEST_P(PackedTypes, GatedMlpWithAndWithoutBiases) {
  const Matrix gate(type(), 50, 256, 1), up(type(), 50, 256, 2);
  for (const bool gate_bias : {false, true}) {
    for (const bool up_bias : {false, true}) {
      for (const auto activation : {Activation::kSilu, Activation::kGeluTanh}) {
        for (const int tokens : {1, 6, 33}) {
          const auto run = [&](const Ops& ops) {
            return ops.gated_mlp(kNoStep, exact_activations(tokens, 256), *gate.prepare(ops, gate_bias), *up.prepare(ops, up_bias),
                                 activation);
          };
          EXPECT_LT(error(run(*pack_), run(*mlx_)), 2 * kTolerance) << gate_bias << up_bias << " " << tokens;
        }
      }
    }
  }
}

TEST_P(PackedTypes, RowsOfATable) {
  const Matrix table(type(), 40, 512, 4);
  const auto rows = [&](const Ops& ops) {
    return ops.embed(*ops.begin({.tokens = {39, 0, 17, 17}}, {}), *table.prepare(ops, false), 2.5f);
  };
  EXPECT_LT(error(rows(*pack_), rows(*mlx_)), kTolerance);
}

TEST_P(PackedTypes, MemoryIsKnownBeforehand) {
  const Matrix matrix(type(), 64, 512, 4);
  EXPECT_EQ(mlx_->weight_bytes(matrix.file.tensor), 4u * 64 * 512);
  EXPECT_EQ(pack_->weight_bytes(matrix.file.tensor), pack_->panel_bytes(matrix.file.tensor));
  EXPECT_GE(pack_->weight_bytes(matrix.file.tensor), matrix.file.rows.size());
  EXPECT_EQ(pack_->converted_type(matrix.file.tensor), in_the_pack(type()) ? std::nullopt : std::optional(quant::kStandIn));
}

class TypesWithScalesOfOneByte : public PackedTypes {};

// A scale may be any byte: of NVFP4 a NaN, of MXFP4 also a number far from those of half precision.
TEST_P(TypesWithScalesOfOneByte, AreDecodedExactly) {
  const auto& traits = quant::traits(type());
  const int n = 256, k = static_cast<int>(traits.block_size);
  std::vector<std::byte> rows = quant::random_blocks(type(), n, 8);
  for (std::size_t row = 0; row < n; ++row)
    for (std::size_t group = 0; group < (type() == Type::kNVFP4 ? 4 : 1); ++group)
      rows[row * traits.block_bytes + group] = static_cast<std::byte>(row + 50 * group);
  const Matrix::Stored table(type(), {n, k}, rows);
  Batch all;
  for (int row = 0; row < n; ++row) all.tokens.push_back(row);
  const auto panels = Panels::open({&table.tensor, 1}, *pack_, {}).value();
  const auto weight = pack_->prepare(table.tensor, {}, *panels).value();
  std::vector<float> wanted(static_cast<std::size_t>(n * k));
  quant::dequantize_row(type(), rows.data(), wanted.data(), wanted.size());
  EXPECT_EQ(values(pack_->embed(*pack_->begin(std::move(all), {}), *weight, 1)), wanted);
}

constexpr const char* kVariants[] = {"scalar", "avx2", "avx512", "amx", "neon"};

std::string name_of(const ::testing::TestParamInfo<std::tuple<const char*, Type>>& test) {
  return std::string(std::get<0>(test.param)) + "_" + std::string(quant::traits(std::get<1>(test.param)).name);
}

INSTANTIATE_TEST_SUITE_P(All, PackedTypes, ::testing::Combine(::testing::ValuesIn(kVariants), ::testing::ValuesIn(kTypes)), name_of);
INSTANTIATE_TEST_SUITE_P(All, TypesWithScalesOfOneByte,
                         ::testing::Combine(::testing::ValuesIn(kVariants), ::testing::Values(Type::kMXFP4, Type::kNVFP4)), name_of);

}  // namespace
}  // namespace mlxr::ops
