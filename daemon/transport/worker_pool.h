// Threads for requests. A request holds one while it is answered, mostly asleep; so there are as many as requests in flight, made
// when needed and kept for the next.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace mlxr::daemon {

class WorkerPool {
 public:
  explicit WorkerPool(std::size_t most) : most_(most) {}
  ~WorkerPool();  // runs what is queued, then ends the threads

  // Runs `work` on some thread. False when `most` are busy: nothing was queued. `work` must not throw.
  bool run(std::function<void()> work);

 private:
  void loop();

  const std::size_t most_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;
  std::vector<std::thread> threads_;
  std::size_t idle_ = 0;
  bool stop_ = false;
};

}  // namespace mlxr::daemon
