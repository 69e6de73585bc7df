#include "kernels/cpu/pool.h"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <new>
#include <thread>
#include <vector>

namespace mlxr::kernels {
namespace {

constexpr auto kSpin = std::chrono::microseconds(30);

struct Scratch {
  void* data = nullptr;
  size_t size = 0;

  Scratch() = default;
  Scratch(Scratch&& other) noexcept : data(other.data), size(other.size) { other.data = nullptr; }
  ~Scratch() { std::free(data); }

  // Grows to at least this size and loses its contents. Returns false when memory is exhausted.
  bool reserve(size_t bytes) {
    if (bytes <= size) return true;
    std::free(data);
    size = (bytes + 4095) / 4096 * 4096;
    data = std::aligned_alloc(64, size);
    if (data == nullptr) size = 0;
    return data != nullptr;
  }
};

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Waits until done() returns true, at most kSpin. Returns false when the time is up.
template <class Done>
bool spin(Done done) {
  for (int i = 0; i < 64; ++i) {
    if (done()) return true;
    relax();
  }
  const auto end = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 32; ++i) {
      if (done()) return true;
      relax();
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

}  // namespace
}  // namespace mlxr::kernels

struct mlxr_pool {
  // generation << 32 | chunks that nobody claimed. A claim is a compare-exchange, which fails when the operation has ended: a worker that
  // read the fields below for generation g and then claims in g knows that they are g's, as they change only after all of g is done.
  alignas(64) std::atomic<uint64_t> work{0};
  std::atomic<int64_t> n_chunks{0};
  std::atomic<mlxr::kernels::Task> task{nullptr};
  std::atomic<void*> context{nullptr};

  alignas(64) std::atomic<int32_t> done{0};
  std::atomic<int32_t> caller_sleeps{0};

  alignas(64) std::atomic<int32_t> epoch{0};  // grows with every operation; what sleeping workers wait for
  std::atomic<int32_t> sleepers{0};
  std::atomic<bool> stop{false};

  std::vector<std::thread> workers;
  std::vector<mlxr::kernels::Scratch> scratch;
  mlxr::kernels::Scratch shared;

  // Claims and runs chunks until none is left.
  void help(int thread) {
    uint64_t now = work.load(std::memory_order_acquire);
    for (;;) {
      const uint32_t left = uint32_t(now);
      if (left == 0) return;
      const int64_t n = n_chunks.load(std::memory_order_relaxed);
      const auto function = task.load(std::memory_order_relaxed);
      void* const argument = context.load(std::memory_order_relaxed);
      if (!work.compare_exchange_weak(now, now - 1, std::memory_order_acq_rel, std::memory_order_acquire)) continue;
      function(argument, n - left, thread);
      if (done.fetch_add(1) + 1 == n && caller_sleeps.load()) done.notify_one();
      now = work.load(std::memory_order_acquire);
    }
  }

  void work_until_stopped(int thread) {
    int32_t seen = 0;
    for (;;) {
      if (!mlxr::kernels::spin([&] { return epoch.load() != seen; })) {
        sleepers.fetch_add(1);
        epoch.wait(seen);
        sleepers.fetch_sub(1);
      }
      seen = epoch.load();
      if (stop.load()) return;
      help(thread);
    }
  }

  void wake() {
    epoch.fetch_add(1);
    if (sleepers.load() != 0) epoch.notify_all();
  }

  ~mlxr_pool() {
    stop.store(true);
    wake();
    for (auto& worker : workers) worker.join();
  }
};

namespace mlxr::kernels {

mlxr_pool* pool_create(int32_t n_threads) {
  if (n_threads < 1 || n_threads > 1024) return nullptr;
  try {
    auto pool = std::make_unique<mlxr_pool>();
    pool->scratch.resize(size_t(n_threads));
    pool->workers.reserve(size_t(n_threads));
    for (int i = 1; i < n_threads; ++i) pool->workers.emplace_back([p = pool.get(), i] { p->work_until_stopped(i); });
    return pool.release();
  } catch (...) {  // std::system_error or std::bad_alloc; threads already made were joined
    return nullptr;
  }
}

void pool_destroy(mlxr_pool* pool) { delete pool; }

int pool_threads(const mlxr_pool* pool) { return int(pool->scratch.size()); }

void pool_run(mlxr_pool* pool, int64_t n_chunks, Task task, void* context) {
  if (n_chunks <= 1 || pool->workers.empty()) {
    for (int64_t i = 0; i < n_chunks; ++i) task(context, i, 0);
    return;
  }
  pool->done.store(0);
  pool->n_chunks.store(n_chunks, std::memory_order_relaxed);
  pool->task.store(task, std::memory_order_relaxed);
  pool->context.store(context, std::memory_order_relaxed);
  const uint64_t generation = (pool->work.load(std::memory_order_relaxed) >> 32) + 1;
  pool->work.store(generation << 32 | uint64_t(n_chunks), std::memory_order_release);
  pool->wake();
  pool->help(0);
  const auto all_done = [&] { return pool->done.load() == n_chunks; };
  if (spin(all_done)) return;
  pool->caller_sleeps.store(1);
  for (int32_t now = pool->done.load(); now != n_chunks; now = pool->done.load()) pool->done.wait(now);
  pool->caller_sleeps.store(0);
}

bool pool_reserve(mlxr_pool* pool, size_t bytes_per_thread, size_t shared_bytes) {
  for (Scratch& scratch : pool->scratch)
    if (!scratch.reserve(bytes_per_thread)) return false;
  return pool->shared.reserve(shared_bytes);
}

void* pool_scratch(const mlxr_pool* pool, int thread) { return pool->scratch[size_t(thread)].data; }
void* pool_shared(const mlxr_pool* pool) { return pool->shared.data; }

}  // namespace mlxr::kernels
