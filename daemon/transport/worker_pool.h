// Threads for requests. A request holds one while it is answered, mostly asleep; so there are as many as requests in flight, made when
// needed, kept for the next request, and ended when they were idle for a while.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>

namespace mlxr::daemon {

class WorkerPool {
 public:
  explicit WorkerPool(std::size_t most, std::chrono::milliseconds idle_time = std::chrono::minutes(1))
      : most_(most), idle_time_(idle_time) {}
  ~WorkerPool();  // runs what is queued, then ends the threads

  // Runs `work` on some thread. False when `most` are busy or the system gives no further thread: nothing was queued.
  // `work` must not throw.
  bool run(std::function<void()> work);

  std::size_t threads() const;  // that exist now

 private:
  void loop();

  const std::size_t most_;
  const std::chrono::milliseconds idle_time_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;   // work was queued, or the end has come
  std::condition_variable ended_;  // a thread ended
  std::deque<std::function<void()>> queue_;
  std::size_t threads_ = 0;
  std::size_t idle_ = 0;
  bool stop_ = false;
};

}  // namespace mlxr::daemon
