// The daemon over its Unix socket, as HTTP with JSON.
//
//   Client client(paths.socket);
//   auto status = client.get("/mlxr/status");
//   client.stream("/api/chat", request, [&](const nlohmann::json& line) { ...; return true; });
//
// A Client belongs to one thread. Failures: kDaemonUnavailable (nobody listens), kInterrupted (Ctrl-C, or what `cancelled` stands for),
// else the daemon's own: its sentence, and the exit code of its error code.
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "cli/failure.h"
#include "cli/interrupt.h"

namespace mlxr::cli {

struct HttpAnswer {
  long status = 0;  // of HTTP
  std::string body;
};

class Client {
 public:
  // A request is given up soon after `cancelled` is set; it outlives the client.
  explicit Client(std::filesystem::path socket, const std::atomic<bool>& cancelled = interrupted())
      : socket_(std::move(socket)), cancelled_(cancelled) {}

  // One request: a POST of `body`, or a GET when it is null. An answer with the status of an error is an answer here, no failure.
  Outcome<HttpAnswer> send(std::string_view route, const std::string* body, std::chrono::milliseconds timeout = std::chrono::seconds(30));

  Outcome<nlohmann::json> get(std::string_view route, std::chrono::milliseconds timeout = std::chrono::seconds(30));
  Outcome<nlohmann::json> post(std::string_view route, const nlohmann::json& body,
                               std::chrono::milliseconds timeout = std::chrono::seconds(30));
  // Posts and hands over each line of the NDJSON answer as it arrives, without a time limit, until the end, Ctrl-C, or `on_line` returns
  // false.
  Status stream(std::string_view route, const nlohmann::json& body, const std::function<bool(const nlohmann::json&)>& on_line);

  // True when something answers on the socket within the time.
  bool is_alive(std::chrono::milliseconds timeout = std::chrono::seconds(2));

 private:
  Outcome<nlohmann::json> exchange(std::string_view route, const std::string* body, std::chrono::milliseconds timeout);
  Status perform(std::string_view route, const std::string* body, std::chrono::milliseconds timeout,
                 const std::function<bool(std::string_view)>& on_data, long& http_status);

  std::filesystem::path socket_;
  const std::atomic<bool>& cancelled_;
};

}  // namespace mlxr::cli
