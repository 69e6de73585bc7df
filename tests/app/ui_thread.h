// A thread that runs what is posted to it, as the main loop of a user interface does, and requests that wait for their answer.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>

#include "app/host/bridge.h"

namespace mlxr::app {

class UiThread {
 public:
  UiThread() : thread_([this] { run(); }) {}
  ~UiThread() {
    post()({});
    thread_.join();
  }

  std::thread::id id() const { return thread_.get_id(); }

  Bridge::Post post() {
    return [this](std::function<void()> task) {
      const std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(task));
      arrived_.notify_one();
    };
  }

  std::future<nlohmann::json> start(Bridge& bridge, std::string request) {
    auto promise = std::make_shared<std::promise<nlohmann::json>>();
    auto future = promise->get_future();
    bridge.handle(std::move(request), [promise](const std::string& answer) { promise->set_value(nlohmann::json::parse(answer)); });
    return future;
  }

  nlohmann::json ask(Bridge& bridge, std::string request) { return start(bridge, std::move(request)).get(); }

 private:
  void run() {
    while (true) {
      std::unique_lock lock(mutex_);
      arrived_.wait(lock, [this] { return !tasks_.empty(); });
      const auto task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      if (!task) return;
      task();
    }
  }

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<std::function<void()>> tasks_;
  std::thread thread_;
};

}  // namespace mlxr::app
