#include "core/engine/disposer.h"

#include <utility>

namespace mlxr::engine {

Disposer::~Disposer() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_one();
  thread_.join();
}

void Disposer::dispose(std::function<void()> destroy) {
  {
    std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(destroy));
  }
  work_.notify_one();
}

void Disposer::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    work_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const auto now = std::exchange(waiting_, {});
    lock.unlock();
    for (const auto& destroy : now) destroy();
    lock.lock();
  }
}

}  // namespace mlxr::engine
