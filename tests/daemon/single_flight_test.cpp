#include "daemon/models/single_flight.h"

#include <gtest/gtest.h>

#include <future>
#include <stdexcept>
#include <thread>

namespace mlxr::daemon {
namespace {

// A client that goes away when the test says so.
class Client : public Responder {
 public:
  void respond(Response) override {}
  bool start(Response) override { return true; }
  bool write(std::string_view) override { return true; }
  void finish() override {}
  void on_gone(std::function<void()> gone) override {
    const std::lock_guard lock(mutex_);
    gone_ = std::move(gone);
    if (gone_) listens_.set_value();
  }
  bool is_gone() const override { return false; }

  void go() {
    const std::lock_guard lock(mutex_);
    if (gone_) gone_();
  }
  void wait_until_it_listens() { listens_.get_future().wait(); }

 private:
  std::mutex mutex_;
  std::function<void()> gone_;
  std::promise<void> listens_;
};

void spin_until(const std::atomic<bool>& flag) {
  while (!flag) std::this_thread::yield();
}

TEST(SingleFlight, TheWorkIsDoneOnceForAllWhoWaitForIt) {
  SingleFlight<int> flights;
  std::atomic<int> runs = 0;
  std::promise<void> begun, release;
  Client other;
  const auto work = [&](const std::atomic<bool>&) -> Result<int> {
    if (++runs == 1) {
      begun.set_value();
      release.get_future().wait();
    }
    return 7;
  };
  auto first = std::async(std::launch::async, [&] { return flights.run("a", nullptr, work); });
  begun.get_future().wait();
  auto second = std::async(std::launch::async, [&] { return flights.run("a", &other, work); });
  other.wait_until_it_listens();
  EXPECT_EQ(flights.run("b", nullptr, [](const std::atomic<bool>&) -> Result<int> { return 8; }), 8);  // another key does not wait
  release.set_value();
  EXPECT_EQ(first.get(), 7);
  EXPECT_EQ(second.get(), 7);
  EXPECT_EQ(runs, 1);
}

TEST(SingleFlight, AClientThatGoesLeavesTheWorkToTheOthers) {
  SingleFlight<int> flights;
  std::promise<void> begun, release;
  Client leaves;
  auto first = std::async(std::launch::async, [&] {
    return flights.run("a", nullptr, [&](const std::atomic<bool>& cancelled) -> Result<int> {
      begun.set_value();
      release.get_future().wait();
      EXPECT_FALSE(cancelled);
      return 7;
    });
  });
  begun.get_future().wait();
  auto second = std::async(std::launch::async, [&] { return flights.run("a", &leaves, nullptr); });
  leaves.wait_until_it_listens();
  leaves.go();
  EXPECT_EQ(second.get().error().code, ErrorCode::kCancelled);  // while the work still runs
  release.set_value();
  EXPECT_EQ(first.get(), 7);
}

TEST(SingleFlight, WorkThatNobodyWaitsForIsCancelledAndALaterCallerBeginsAnew) {
  SingleFlight<int> flights;
  std::promise<void> begun;
  Client leaves;
  auto first = std::async(std::launch::async, [&] {
    return flights.run("a", &leaves, [&](const std::atomic<bool>& cancelled) -> Result<int> {
      begun.set_value();
      spin_until(cancelled);
      return fail(ErrorCode::kCancelled, "cancelled");
    });
  });
  begun.get_future().wait();
  leaves.go();
  EXPECT_EQ(flights.run("a", nullptr, [](const std::atomic<bool>&) -> Result<int> { return 9; }), 9);
  EXPECT_EQ(first.get().error().code, ErrorCode::kCancelled);
}

TEST(SingleFlight, CloseCancelsTheWorkForAllWhoWaitAndRefusesFurtherWork) {
  SingleFlight<int> flights;
  std::promise<void> begun;
  Client other;
  const auto work = [&](const std::atomic<bool>& cancelled) -> Result<int> {
    begun.set_value();
    spin_until(cancelled);
    return fail(ErrorCode::kCancelled, "cancelled");
  };
  auto first = std::async(std::launch::async, [&] { return flights.run("a", nullptr, work); });
  begun.get_future().wait();
  auto second = std::async(std::launch::async, [&] { return flights.run("a", &other, nullptr); });
  other.wait_until_it_listens();
  flights.close();
  EXPECT_EQ(first.get().error().code, ErrorCode::kCancelled);
  EXPECT_EQ(second.get().error().code, ErrorCode::kCancelled);
  EXPECT_EQ(flights.run("b", nullptr, nullptr).error().code, ErrorCode::kCancelled);
}

TEST(SingleFlight, WorkThatThrowsLocksNobodyOut) {
  SingleFlight<int> flights;
  const auto thrown = flights.run("a", nullptr, [](const std::atomic<bool>&) -> Result<int> { throw std::runtime_error("a mistake"); });
  EXPECT_EQ(thrown.error().code, ErrorCode::kInternal);
  EXPECT_EQ(flights.run("a", nullptr, [](const std::atomic<bool>&) -> Result<int> { return 1; }), 1);
}

}  // namespace
}  // namespace mlxr::daemon
