// Does work that several requests need at the same time once for all of them.
//
//   SingleFlight<ModelRecord> checks;
//   auto record = checks.run(name, client, [&](const std::atomic<bool>& cancelled) { return hash_and_look_up(name, cancelled); });
//
// The first caller does the work on its own thread, the others wait for its result. A caller whose client goes away returns kCancelled;
// when all clients are gone, or after close(), `cancelled` is set and the work should end soon. May be used from any thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <mlxrunner/result.h>

#include "daemon/transport/http.h"

namespace mlxr::daemon {

template <typename T>
class SingleFlight {
 public:
  using Work = std::function<Result<T>(const std::atomic<bool>& cancelled)>;

  // `client` may be null: a caller that waits to the end.
  Result<T> run(const std::string& key, Responder* client, const Work& work) {
    auto [flight, is_first] = join(key);
    if (!flight) return fail(ErrorCode::kCancelled, "No further work is done.");
    bool gone = false;  // guarded by mutex_
    if (client != nullptr)
      client->on_gone([this, &flight = *flight, &gone] {
        const std::lock_guard lock(mutex_);
        gone = true;
        leave(flight);
      });
    auto result = is_first ? lead(key, *flight, work) : wait_for(*flight, gone);
    if (client != nullptr) client->on_gone({});  // outside of the lock, which the callback takes
    return result;
  }

  // Cancels all work; those who wait for it get what it returns then. Later callers get kCancelled at once.
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (const auto& [key, flight] : flights_) flight->cancelled = true;
    changed_.notify_all();
  }

 private:
  struct Flight {
    int callers = 0;
    std::atomic<bool> cancelled = false;
    std::optional<Result<T>> result;
  };

  std::pair<std::shared_ptr<Flight>, bool> join(const std::string& key) {
    std::unique_lock lock(mutex_);
    // A flight that was cancelled has no result for a caller that came later.
    changed_.wait(lock, [&] { return closed_ || !flights_.contains(key) || !flights_.at(key)->cancelled; });
    if (closed_) return {nullptr, false};
    auto& flight = flights_[key];
    const bool is_first = !flight;
    if (is_first) flight = std::make_shared<Flight>();
    ++flight->callers;
    return {flight, is_first};
  }

  void leave(Flight& flight) {
    if (--flight.callers == 0) flight.cancelled = true;
    changed_.notify_all();
  }

  Result<T> lead(const std::string& key, Flight& flight, const Work& work) {
    Result<T> result = fail(ErrorCode::kInternal, "The work ended without a result.");
    try {
      result = work(flight.cancelled);
    } catch (const std::exception& error) {
      result = fail(ErrorCode::kInternal, error.what());
    }
    const std::lock_guard lock(mutex_);
    flight.result = result;
    flights_.erase(key);
    changed_.notify_all();
    return result;
  }

  Result<T> wait_for(Flight& flight, const bool& gone) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return gone || flight.result.has_value(); });
    if (flight.result) return *flight.result;
    return fail(ErrorCode::kCancelled, "The client went away.");
  }

  std::mutex mutex_;
  std::condition_variable changed_;  // a caller left, or a flight ended
  std::map<std::string, std::shared_ptr<Flight>> flights_;
  bool closed_ = false;
};

}  // namespace mlxr::daemon
