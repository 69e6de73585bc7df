// Speed of q_gemm per weight type, for one token, a prompt and a few tokens, and of attention per cache type, for each variant that this
// processor runs.
// Usage: bench_kernels [THREADS [NAME...]]: names of types and of variants, to measure these alone.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <string_view>

#include "tests/kernels/pack_library.h"
#include "tests/kernels/reference.h"

using namespace mlxr::kernels_test;

static std::vector<std::string_view> names;  // that the command line has

// Those that the command line names, or all if it names none of them.
template <class Things, class Name>
static Things chosen(Things all, Name name) {
  const auto is_named = [&](const auto& thing) { return std::find(names.begin(), names.end(), name(thing)) != names.end(); };
  if (std::any_of(all.begin(), all.end(), is_named)) std::erase_if(all, [&](const auto& thing) { return !is_named(thing); });
  return all;
}
static std::vector<TypeInfo> chosen_types() {
  return chosen(types(), [](const TypeInfo& type) { return std::string_view(type.name); });
}
static std::vector<const mlxr_kernel_pack*> chosen_variants() {
  return chosen(available(), [](const mlxr_kernel_pack* pack) { return std::string_view(pack->variant); });
}

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

// q_gemm: bytes of weights per second for one token, operations per second for 512 tokens.
static void products(int threads) {
  const int64_t k = 1536, tokens = 512, n_prompt = 1536, stream_bytes = 200'000'000;  // more than any processor's cache
  std::mt19937 random(1);
  const auto x = reals(size_t(tokens * k), random);
  std::vector<float> y;
  std::printf("%-6s %-8s %14s %18s %12s\n", "type", "variant", "1 token GB/s", "512 tokens GFLOP/s", "repack GB/s");
  for (const TypeInfo& type : chosen_types()) {
    const int64_t n_stream = stream_bytes / (k / type.block_values * type.block_bytes);
    y.resize(size_t(std::max(n_stream, n_prompt * tokens)));
    const auto rows = packed_rows(type, n_stream, k, Fill::kRandom, 0.02, random);
    for (const auto* pack : chosen_variants()) {
      mlxr_pool* pool = pack->pool_create(threads);
      const auto run = [&](int64_t n, int64_t count) {
        const Panels panels(*pack, pool, {type.number, n, k, rows.data()});
        const mlxr_gemm_output output{panels.matrix(), nullptr, nullptr, y.data()};
        const mlxr_gemm_args args{x.data(), count, k, 1, &output};
        return best_seconds([&] { pack->q_gemm(pool, &args); });
      };
      const mlxr_rows some{type.number, n_prompt, k, rows.data()};
      const Panels panels(*pack, pool, some);
      const double repack = best_seconds([&] { pack->make_panels(pool, &some, const_cast<void*>(panels.matrix().panels)); });
      std::printf("%-6s %-8s %14.1f %18.0f %12.1f\n", type.name, pack->variant, double(rows.size()) / run(n_stream, 1) / 1e9,
                  2.0 * double(n_prompt * k * tokens) / run(n_prompt, tokens) / 1e9,
                  double(n_prompt * (k / type.block_values * type.block_bytes)) / repack / 1e9);
      std::fflush(stdout);
      pack->pool_destroy(pool);
    }
  }
}

// q_gemm with a few tokens, as a batch of sequences decodes them: microseconds of one call with 1 token, and how many times as long calls
// with more take. Matrices take turns, so that weights come from memory.
static void batches(int threads) {
  const int64_t widths[] = {1, 2, 4, 8, 12, 16};
  std::mt19937 random(1);
  std::printf("\n%-6s %-8s %12s %10s", "type", "variant", "shape", "1 token us");
  for (const int64_t width : widths) std::printf(width == 1 ? "" : " %5d x", int(width));
  std::printf("\n");
  for (const TypeInfo& type : chosen_types()) {
    for (const auto& [n, k] : {std::pair<int64_t, int64_t>{2048, 2048}, {576, 1536}}) {
      const auto rows = packed_rows(type, n, k, Fill::kRandom, 0.02, random);
      const auto x = reals(size_t(16 * k), random);
      std::vector<float> y(size_t(16 * n));
      for (const auto* pack : chosen_variants()) {
        mlxr_pool* pool = pack->pool_create(threads);
        std::vector<Panels> turns;
        for (size_t bytes = 0; bytes < 60'000'000; bytes += rows.size())
          turns.emplace_back(*pack, pool, mlxr_rows{type.number, n, k, rows.data()});
        double one = 0;
        std::printf("%-6s %-8s %7dx%4d", type.name, pack->variant, int(n), int(k));
        for (const int64_t width : widths) {
          size_t turn = 0;
          const double seconds = best_seconds([&] {
            const mlxr_gemm_output output{turns[turn++ % turns.size()].matrix(), nullptr, nullptr, y.data()};
            const mlxr_gemm_args args{x.data(), width, k, 1, &output};
            pack->q_gemm(pool, &args);
          });
          if (width == 1) std::printf(" %10.0f", 1e6 * (one = seconds));
          if (width > 1) std::printf(" %7.2f", seconds / one);
        }
        std::printf("\n");
        std::fflush(stdout);
        pack->pool_destroy(pool);
      }
    }
  }
}

// attention with SmolLM2's heads (9 of 64 values, 3 KV heads): bytes of cache per second for one token after 4095 others, over layers that
// together do not fit in the processor's caches; operations per second for the last 512 tokens of 2048.
static void attentions(int threads) {
  const int64_t heads = 9, kv_heads = 3, dim = 64, block = 32, layers = 30, most = 4096;
  std::mt19937 random(1);
  const auto x = reals(size_t(512 * heads * dim), random);
  std::vector<float> y(x.size());
  std::vector<int32_t> pages(size_t(most / block)), slots(512);
  std::iota(pages.begin(), pages.end(), 0);
  std::printf("\n%-6s %-8s %14s %18s\n", "cache", "variant", "1 token GB/s", "512 tokens GFLOP/s");
  for (const uint32_t type : {1u, 8u}) {
    for (const auto* pack : chosen_variants()) {
      mlxr_pool* pool = pack->pool_create(threads);
      std::vector<Cache> caches;
      for (int64_t i = 0; i < layers; ++i) caches.emplace_back(*pack, type, most / block, kv_heads, block, dim, dim);
      for (int64_t i = 0; i < layers; ++i) {
        for (int64_t first = 0; first < most; first += 512) {
          std::iota(slots.begin(), slots.end(), int32_t(first));
          const mlxr_kv_store_args args{caches[size_t(i)].kv(), x.data(), x.data() + 64, slots.data(), 512};
          pack->kv_store(pool, &args);
        }
      }
      const auto run = [&](int64_t i, int64_t count, int64_t length) {
        const mlxr_sequence sequence{0, count, length, pages.data()};
        const mlxr_attention_args args{x.data(), caches[size_t(i)].kv(), &sequence, 1, heads, 0.125f, 0, 0, 0, nullptr, y.data()};
        pack->attention(pool, &args);
      };
      const double one = best_seconds([&] {
        for (int64_t i = 0; i < layers; ++i) run(i, 1, most);
      });
      const double prompt = best_seconds([&] { run(0, 512, 2048); });
      std::printf("%-6s %-8s %14.1f %18.0f\n", type == 1 ? "F16" : "Q8_0", pack->variant,
                  double(layers) * double(caches[0].bytes()) / one / 1e9, 4.0 * double(heads * dim * 512) * (2048 - 256) / prompt / 1e9);
      std::fflush(stdout);
      pack->pool_destroy(pool);
    }
  }
}

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 2;
  if (threads < 1 || threads > 1024) return std::fprintf(stderr, "usage: bench_kernels [THREADS [NAME...]]\n"), 2;
  for (int i = 2; i < argc; ++i) names.emplace_back(argv[i]);
  products(threads);
  batches(threads);
  attentions(threads);
}
