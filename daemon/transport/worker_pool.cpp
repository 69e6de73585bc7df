#include "daemon/transport/worker_pool.h"

#include <system_error>
#include <thread>

namespace mlxr::daemon {

WorkerPool::~WorkerPool() {
  std::unique_lock lock(mutex_);
  stop_ = true;
  wake_.notify_all();
  ended_.wait(lock, [this] { return threads_ == 0; });
}

bool WorkerPool::run(std::function<void()> work) {
  std::lock_guard lock(mutex_);
  if (stop_) return false;
  if (idle_ <= queue_.size()) {  // every idle thread already has queued work
    if (threads_ >= most_) return false;
    try {
      std::thread([this] { loop(); }).detach();  // the destructor waits for `threads_`
    } catch (const std::system_error&) {
      return false;
    }
    ++threads_;
    ++idle_;
  }
  queue_.push_back(std::move(work));
  wake_.notify_one();
  return true;
}

std::size_t WorkerPool::threads() const {
  std::lock_guard lock(mutex_);
  return threads_;
}

void WorkerPool::loop() {
  std::unique_lock lock(mutex_);
  while (wake_.wait_for(lock, idle_time_, [this] { return stop_ || !queue_.empty(); }) && !queue_.empty()) {
    auto work = std::move(queue_.front());
    queue_.pop_front();
    --idle_;
    lock.unlock();
    work();
    work = nullptr;
    lock.lock();
    ++idle_;
  }
  --idle_;
  --threads_;
  ended_.notify_all();  // under the lock, because the pool may be destroyed once it is released
}

}  // namespace mlxr::daemon
