// The daemon over its Unix socket, as HTTP with JSON.
//
//   Client client(paths.socket);
//   auto status = client.get("/mlxr/status");
//   client.stream("/api/chat", request, [&](const nlohmann::json& line) { ...; return true; });
//
// A Client belongs to one thread. Failures: kDaemonUnavailable (nobody listens), kInterrupted (Ctrl-C), else the daemon's own: its
// sentence, and the exit code of its error code.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "cli/failure.h"

namespace mlxr::cli {

class Client {
 public:
  explicit Client(std::filesystem::path socket) : socket_(std::move(socket)) {}

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
};

}  // namespace mlxr::cli
