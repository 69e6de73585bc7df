// The pool itself, for behaviour that the pack's operations do not show.
#include "kernels/cpu/pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>

namespace mlxr::kernels {
namespace {

using PoolPtr = std::unique_ptr<mlxr_pool, decltype(&pool_destroy)>;

// A worker that the system stops, in the middle of a chunk, for as long as there is anything else to do.
struct StoppedWorker {
  static constexpr int64_t kChunks = 100;
  std::atomic<bool> stopped = false;
  std::atomic<int64_t> done = 0;

  void run(int thread) {
    if (thread == 0) {
      stopped.wait(false);  // else the caller could be through before a worker wakes
    } else if (!stopped.exchange(true)) {
      stopped.notify_all();
      for (int64_t seen = done; seen < kChunks - 1; seen = done) done.wait(seen);
    }
    ++done;
    done.notify_all();
  }
};

TEST(Pool, TheOthersDoAllThatAStoppedWorkerDoesNotHold) {
  for (const int threads : {2, 3, 8}) {
    const PoolPtr pool(pool_create(threads), pool_destroy);
    ASSERT_NE(pool, nullptr);
    StoppedWorker worker;
    pool_run(
        pool.get(), StoppedWorker::kChunks, [](void* it, int64_t, int thread) { static_cast<StoppedWorker*>(it)->run(thread); }, &worker);
    EXPECT_EQ(worker.done, StoppedWorker::kChunks);
  }
}

}  // namespace
}  // namespace mlxr::kernels
