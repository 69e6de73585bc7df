// The daemon over its Unix socket, as HTTP with JSON.
//
//   Client client(paths.socket);
//   auto status = client.get("/mlxr/status");
//   client.stream("/api/chat", request, [&](const nlohmann::json& line) { ...; return true; });
//
// A Client belongs to one thread. Errors: kNotRunning (only when nothing listens on the socket), kUnavailable (no answer in time, or the
// connection broke; the sentence names the process and the next step), kPermission (this user may not connect), kCancelled (Ctrl-C, or
// another setter of `cancelled`), otherwise the daemon's own error code and sentence.
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "cli/client_error.h"
#include "cli/interrupt.h"

namespace mlxr::cli {

struct HttpAnswer {
  long status = 0;  // HTTP status
  std::string body;
};

class Client {
 public:
  // A request ends soon after `cancelled` is set. The flag must outlive the client.
  explicit Client(std::filesystem::path socket, const std::atomic<bool>& cancelled = interrupted())
      : socket_(std::move(socket)), cancelled_(cancelled) {}

  // One request: a POST of `body`, or a GET when it is null. An HTTP error status is returned as an answer, not as an error.
  Answered<HttpAnswer> send(std::string_view route, const std::string* body, std::chrono::milliseconds timeout = std::chrono::seconds(30));

  // The same with a POST whose first byte comes with open descriptors (SCM_RIGHTS), which the daemon then has too: one or more, 250 at
  // most.
  Answered<HttpAnswer> send_descriptors(std::string_view route, const std::string& body, std::span<const int> descriptors,
                                        std::chrono::milliseconds timeout = std::chrono::seconds(10));

  Answered<nlohmann::json> get(std::string_view route, std::chrono::milliseconds timeout = std::chrono::seconds(10));
  Answered<nlohmann::json> post(std::string_view route, const nlohmann::json& body,
                                std::chrono::milliseconds timeout = std::chrono::seconds(30));
  // Posts `body` and passes each line of the NDJSON answer to `on_line` as it arrives, without a time limit. Ends at the end of the answer,
  // on Ctrl-C, or when `on_line` returns false.
  Answered<void> stream(std::string_view route, const nlohmann::json& body, const std::function<bool(const nlohmann::json&)>& on_line);

  // The JSON of an answer; of a status of 400 and above, the error that it tells.
  static Answered<nlohmann::json> json_of(const HttpAnswer& answer);

  // True when a daemon answers on the socket within `timeout`.
  bool is_alive(std::chrono::milliseconds timeout = std::chrono::seconds(2));

 private:
  Answered<nlohmann::json> exchange(std::string_view route, const std::string* body, std::chrono::milliseconds timeout);
  Answered<void> perform(std::string_view route, const std::string* body, std::chrono::milliseconds timeout,
                         const std::function<bool(std::string_view)>& on_data, long& http_status);
  std::unexpected<ClientError> no_connection() const;                    // why connecting failed
  std::unexpected<ClientError> no_answer(const std::string& how) const;  // `how`: "does not answer", "closed the connection"

  std::filesystem::path socket_;
  const std::atomic<bool>& cancelled_;
};

}  // namespace mlxr::cli
