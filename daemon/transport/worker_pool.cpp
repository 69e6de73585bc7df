#include "daemon/transport/worker_pool.h"

namespace mlxr::daemon {

WorkerPool::~WorkerPool() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (auto& thread : threads_) thread.join();
}

bool WorkerPool::run(std::function<void()> work) {
  std::lock_guard lock(mutex_);
  if (stop_) return false;
  if (idle_ <= queue_.size()) {  // each idle thread is spoken for
    if (threads_.size() >= most_) return false;
    threads_.emplace_back([this] { loop(); });
    ++idle_;
  }
  queue_.push_back(std::move(work));
  wake_.notify_one();
  return true;
}

void WorkerPool::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stop_ || !queue_.empty(); });
    if (queue_.empty()) return;
    auto work = std::move(queue_.front());
    queue_.pop_front();
    --idle_;
    lock.unlock();
    work();
    work = nullptr;
    lock.lock();
    ++idle_;
  }
}

}  // namespace mlxr::daemon
