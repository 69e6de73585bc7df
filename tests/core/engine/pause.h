// Holds the engine's thread, for tests that decide what is in the queue.
#pragma once

#include <mlxrunner/engine.h>

#include <latch>
#include <thread>
#include <utility>

namespace mlxr {

// Holds the engine's thread at one of a request's first events, so that a test can decide what is in the queue by then.
class Pause {
 public:
  explicit Pause(Reply& reply) : reply_(reply) {
    // An event that is there already is told on this thread; the next one comes on the engine's.
    reply.on_ready([this, own = std::this_thread::get_id(), first = true]() mutable {
      if (std::this_thread::get_id() == own || !std::exchange(first, false)) return;
      reached_.count_down();
      go_.wait();
    });
    reached_.wait();
  }
  void end() {
    go_.count_down();
    reply_.on_ready(nullptr);
  }

 private:
  Reply& reply_;
  std::latch reached_{1}, go_{1};
};

}  // namespace mlxr
