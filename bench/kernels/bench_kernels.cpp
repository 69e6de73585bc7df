// Speed of q_gemm per weight type and variant: bytes of weights per second for one token, operations per second for 512 tokens.
// Usage: bench_kernels [threads]
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "tests/kernels/pack_library.h"
#include "tests/kernels/reference.h"

using namespace mlxr::kernels_test;

// Best seconds of one call in about 0.2 s of calls.
template <class Call>
static double best_seconds(Call call) {
  using Clock = std::chrono::steady_clock;
  double best = 1e9;
  const auto end = Clock::now() + std::chrono::milliseconds(200);
  do {
    const auto start = Clock::now();
    call();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  } while (Clock::now() < end);
  return best;
}

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 2;
  const int64_t k = 1536, tokens = 512, n_stream = 32768, n_prompt = 1536;
  std::mt19937 random(1);
  const auto x = reals(size_t(tokens * k), random);
  std::vector<float> y(size_t(tokens * n_stream));
  std::printf("%-6s %-8s %14s %18s\n", "type", "variant", "1 token GB/s", "512 tokens GFLOP/s");
  for (const TypeInfo& type : types()) {
    const auto rows = packed_rows(type, n_stream, k, Fill::kRandom, 0.02, random);
    for (const auto* pack : available()) {
      mlxr_pool* pool = pack->pool_create(threads);
      if (pool == nullptr) return 1;
      const auto run = [&](int64_t n, int64_t count) {
        const Panels panels(*pack, pool, {type.number, n, k, rows.data()});
        const mlxr_gemm_output output{panels.matrix(), nullptr, nullptr, y.data()};
        const mlxr_gemm_args args{x.data(), count, k, 1, &output};
        return best_seconds([&] { pack->q_gemm(pool, &args); });
      };
      std::printf("%-6s %-8s %14.1f %18.0f\n", type.name, pack->variant, double(rows.size()) / run(n_stream, 1) / 1e9,
                  2.0 * double(n_prompt * k * tokens) / run(n_prompt, tokens) / 1e9);
      std::fflush(stdout);
      pack->pool_destroy(pool);
    }
  }
}
