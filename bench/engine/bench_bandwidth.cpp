// bench_bandwidth [THREADS]: prints how many GB/s the threads read from memory, each its own part of 1 GiB: the median of 15 passes.
#include <algorithm>
#include <array>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

int main(int argc, char** argv) {
  using Clock = std::chrono::steady_clock;
  const std::size_t threads = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : std::thread::hardware_concurrency();
  if (threads == 0) return std::fprintf(stderr, "usage: bench_bandwidth [THREADS]\n"), 2;
  constexpr std::size_t kLanes = 32;  // sums that do not wait for each other
  const std::size_t share = (std::size_t{1} << 30) / sizeof(std::uint64_t) / threads / kLanes * kLanes;
  std::vector<std::uint64_t> memory(share * threads, 1);

  std::array<double, 15> seconds;
  std::barrier together(static_cast<std::ptrdiff_t>(threads));
  std::vector<std::thread> readers;
  std::vector<std::uint64_t> sums(threads);
  for (std::size_t t = 0; t < threads; ++t) {
    readers.emplace_back([&, t] {
      const std::uint64_t* part = memory.data() + t * share;
      for (double& pass : seconds) {
        together.arrive_and_wait();
        const auto begin = Clock::now();
        std::array<std::uint64_t, kLanes> sum{};
        for (std::size_t i = 0; i < share; i += kLanes) {
          for (std::size_t lane = 0; lane < kLanes; ++lane) sum[lane] += part[i + lane];
        }
        for (const auto lane : sum) sums[t] += lane;
        together.arrive_and_wait();
        if (t == 0) pass = std::chrono::duration<double>(Clock::now() - begin).count();
      }
    });
  }
  for (auto& reader : readers) reader.join();
  if (sums[0] != share * seconds.size()) return 1;  // the sums are needed, so that the compiler keeps the reading
  std::ranges::sort(seconds);
  std::printf("%.1f\n", static_cast<double>(memory.size() * sizeof memory[0]) / seconds[seconds.size() / 2] / 1e9);
}
