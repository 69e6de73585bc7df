// bench_experts [THREADS [ROUNDS]]: a mixture of 8 of 64 experts beside a dense gated MLP with as many multiplications per token, in the
// shape of a layer of Qwen3 30B-A3B (2048 values, experts of 768), by the number of tokens. The two take turns; medians.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <random>
#include <vector>

#include "core/ops/ops.h"
#include "core/ops/pack.h"
#include "tests/core/quant/random_blocks.h"

namespace {

using namespace mlxr;
using Clock = std::chrono::steady_clock;

constexpr int kDim = 2048, kHidden = 768, kExperts = 64, kUsed = 8;

// A matrix of random weights, without the memory of a file.
ops::WeightPtr weight(const ops::Ops& ops, quant::Type type, int n, int k, unsigned seed) {
  const auto values = static_cast<std::size_t>(n) * static_cast<std::size_t>(k);
  const auto rows = quant::random_blocks(type, values / quant::traits(type).block_size, seed, 0x1000);
  const formats::MemorySource source(rows);
  const formats::Tensor tensor{"w", type, {n, k}, 0, rows.size(), &source};
  const auto panels = ops::Panels::open({&tensor, 1}, ops, {}).value();
  return ops.prepare(tensor, {}, *panels).value();
}

mlx::core::array random(int rows, int columns, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns));
  for (float& value : values) value = normal(generator);
  return mlx::core::array(values.data(), mlx::core::Shape{rows, columns}, mlx::core::float32);
}

template <class Call>
double milliseconds(Call call) {
  const auto start = Clock::now();
  call();
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2));
  return values[values.size() / 2];
}

void measure(const ops::Ops& ops, quant::Type type, int rounds) {
  ops::ExpertWeights experts;
  for (unsigned i = 0; i < kExperts; ++i) {
    experts.gate.push_back(weight(ops, type, kHidden, kDim, 3 * i));
    experts.up.push_back(weight(ops, type, kHidden, kDim, 3 * i + 1));
    experts.down.push_back(weight(ops, type, kDim, kHidden, 3 * i + 2));
  }
  const auto gate = weight(ops, type, kUsed * kHidden, kDim, 1000), up = weight(ops, type, kUsed * kHidden, kDim, 1001),
             down = weight(ops, type, kDim, kUsed * kHidden, 1002);
  const auto step = ops.begin({}, {});
  for (const int tokens : {1, 8, 32, 128, 512}) {
    const auto x = random(tokens, kDim, 1), scores = random(tokens, kExperts, 2), residual = random(tokens, kDim, 3);
    std::vector<double> mixture, dense;
    for (int round = 0; round < rounds; ++round) {
      mixture.push_back(milliseconds(
          [&] { ops.experts(x, scores, experts, {.used = kUsed, .normalised = true}, ops::Activation::kSilu, residual).eval(); }));
      dense.push_back(
          milliseconds([&] { ops.q_gemm(*step, ops.gated_mlp(*step, x, *gate, *up, ops::Activation::kSilu), *down, residual).eval(); }));
    }
    std::printf("%-7s %6d %12.2f %12.2f %8.2f\n", quant::traits(type).name.data(), tokens, median(mixture), median(dense),
                median(dense) / median(mixture));
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 2, rounds = argc > 2 ? std::atoi(argv[2]) : 7;
  if (threads < 1 || threads > 1024 || rounds < 1) return std::fprintf(stderr, "usage: bench_experts [THREADS [ROUNDS]]\n"), 2;
  const auto pack = ops::KernelPack::load(ops::KernelPack::default_folder(), "auto", threads);
  if (!pack) return std::fprintf(stderr, "bench_experts: %s\n", pack.error().message.c_str()), 1;
  const auto ops = ops::make_pack_ops(*pack);
  std::printf("%-7s %6s %12s %12s %8s\n", "type", "tokens", "experts, ms", "dense, ms", "ratio");
  for (const auto type : {quant::Type::kQ4_K, quant::Type::kMXFP4}) measure(*ops, type, rounds);
}
