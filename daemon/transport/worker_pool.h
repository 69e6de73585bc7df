// Threads for requests. A request occupies a thread, mostly asleep, until it is answered, so there are as many threads as requests in
// flight. They are created when needed, kept for further requests, and ended after they have been idle for a while.
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

  // Runs `work` on some thread. Returns false, without queueing it, if `most` threads are busy or the system cannot create another one.
  // `work` must not throw.
  bool run(std::function<void()> work);

  std::size_t threads() const;  // current number of threads

 private:
  void loop();

  const std::size_t most_;
  const std::chrono::milliseconds idle_time_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;   // work was queued, or the pool is being destroyed
  std::condition_variable ended_;  // a thread ended
  std::deque<std::function<void()>> queue_;
  std::size_t threads_ = 0;
  std::size_t idle_ = 0;
  bool stop_ = false;
};

}  // namespace mlxr::daemon
