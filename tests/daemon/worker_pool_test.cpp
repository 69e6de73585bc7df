#include "daemon/transport/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

namespace mlxr::daemon {
namespace {

TEST(WorkerPool, WorkThatWaitsDoesNotHoldUpOtherWork) {
  std::promise<void> go;
  std::promise<void> done;
  WorkerPool pool(2);
  ASSERT_TRUE(pool.run([&] {
    go.get_future().wait();
    done.set_value();
  }));
  ASSERT_TRUE(pool.run([&] { go.set_value(); }));
  done.get_future().wait();
}

TEST(WorkerPool, RefusesMoreThanItsThreads) {
  std::promise<void> go;
  auto wait = go.get_future().share();
  WorkerPool pool(1);
  ASSERT_TRUE(pool.run([wait] { wait.wait(); }));
  EXPECT_FALSE(pool.run([] {}));
  go.set_value();
}

TEST(WorkerPool, ThreadsThatStayIdleEnd) {
  WorkerPool pool(8, std::chrono::milliseconds(1));
  std::promise<void> done;
  ASSERT_TRUE(pool.run([&] { done.set_value(); }));
  done.get_future().wait();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (pool.threads() > 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_EQ(pool.threads(), 0u);
  std::promise<void> again;
  ASSERT_TRUE(pool.run([&] { again.set_value(); }));
  again.get_future().wait();
}

TEST(WorkerPool, EndsWhatIsQueuedBeforeItGoes) {
  std::atomic<int> ran = 0;
  {
    WorkerPool pool(64);
    for (int i = 0; i < 64; ++i) ASSERT_TRUE(pool.run([&] { ++ran; }));
  }
  EXPECT_EQ(ran, 64);
}

}  // namespace
}  // namespace mlxr::daemon
