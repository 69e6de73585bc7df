// Work that is repeated at an interval, on its own thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace mlxr::daemon {

class Periodic {
 public:
  // Calls `work` each time `interval` has passed, until the destructor, which waits for a call that is running.
  Periodic(std::chrono::milliseconds interval, std::function<void()> work);
  ~Periodic();
  Periodic(const Periodic&) = delete;
  Periodic& operator=(const Periodic&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace mlxr::daemon
