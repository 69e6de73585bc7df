// The protocol between the page and the program.
//
//   the page sends   {"id": 7, "method": "daemon.status", "params": {}}
//   and receives     {"id": 7, "result": …}  or  {"id": 7, "error": {"code": "permission", "message": "a sentence"}}
//
// `id` is a number or a string that the page chooses; it is null in the answer to an invalid request. `params` may be absent.
// Methods run on the bridge's threads, so that a slow one blocks neither the window nor other methods.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <expected>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

namespace mlxr::app {

struct BridgeError {
  std::string code;  // invalid_request, unknown_method, invalid_params, permission, daemon_unavailable, …: for the page's code
  std::string message;
};

inline std::unexpected<BridgeError> refuse(std::string code, std::string message) {
  return std::unexpected(BridgeError{std::move(code), std::move(message)});
}

// Called from several threads at a time, with an object. Returns soon after `cancelled` is set.
using Method = std::function<std::expected<nlohmann::json, BridgeError>(const nlohmann::json& params, const std::atomic<bool>& cancelled)>;
using Methods = std::map<std::string, Method, std::less<>>;

// Nothing if all `params` are in `known`; otherwise an error that names the unknown one.
std::expected<void, BridgeError> check_names(const nlohmann::json& params, std::initializer_list<std::string_view> known);

class Bridge {
 public:
  // Runs a function on the thread of the user interface, later.
  using Post = std::function<void(std::function<void()>)>;
  using Reply = std::function<void(const std::string& answer)>;

  Bridge(Methods methods, Post post);
  // Cancels running methods and waits for them. Requests without an answer get none.
  ~Bridge();
  Bridge(const Bridge&) = delete;
  Bridge& operator=(const Bridge&) = delete;

  // Returns at once. `reply` is called once, on the thread of the user interface.
  void handle(std::string request, Reply reply);

 private:
  struct Job {
    std::string request;
    Reply reply;
  };
  void work();
  std::string answer(std::string_view request) const;

  const Methods methods_;
  const Post post_;
  std::atomic<bool> cancelled_ = false;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Job> jobs_;
  std::vector<std::thread> threads_;
};

}  // namespace mlxr::app
