// What a Reply and the scheduler share.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>

#include <mlxrunner/engine.h>

namespace mlxr {

struct Reply::State {
  // From the scheduler.
  void push(Event event);
  // From the Reply's owner.
  std::optional<Event> take(bool wait);
  // Returns when no call of the previous callback is in progress, so that the caller may destroy what that one refers to.
  void set_wake(std::function<void()> callback);

  std::atomic<bool> cancelled{false};

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Event> events_;
  bool ended_ = false;     // the last event was taken
  std::mutex wake_mutex_;  // held while wake_ runs
  std::function<void()> wake_;
};

}  // namespace mlxr
