// HTTP/1.1 over a Unix socket, and over loopback TCP if configured. Reads whole requests within limits, checks access, runs the
// handler on a worker thread, detects clients that disconnect, and stops gracefully.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>

#include "daemon/transport/http.h"

namespace mlxr::daemon {

struct ServerLimits {
  std::uint64_t body_bytes = std::uint64_t{32} << 20;  // larger: 413, without reading it
  std::uint32_t header_bytes = 64 << 10;               // longer: 431
  std::chrono::seconds header_time{10};                // from the first byte of a request to the end of its head; longer: 408
  std::chrono::seconds body_time{60};                  // the same for the body
  std::chrono::seconds idle_time{120};                 // between two requests of a connection
  std::chrono::seconds stranger_time{5};               // over TCP, before the first request with a token; also for its head
  std::chrono::seconds write_time{60};                 // a client that reads nothing for this long is considered gone
  std::chrono::seconds stop_time{10};                  // how long streams may continue after stop()
  std::chrono::seconds cancel_time{10};                // how long handlers may take to end after they were cancelled
  std::size_t connections = 4096;                      // of the Unix socket
  std::size_t tcp_connections = 512;                   // counted separately, so that TCP clients cannot lock out the owner
};

// Builds the response to a request that fails before a handler runs. `path` is empty if it did not arrive.
using Refuse = std::function<Response(std::string_view path, int status, std::string message)>;

struct ServerOptions {
  int unix_listener = -1;  // a listening descriptor; the server owns it
  int port = 0;            // 0: no TCP
  std::string host = "127.0.0.1";
  std::function<std::string()> token = nullptr;  // the token that TCP requests must have; called for each request
  std::vector<std::string> origins = {};         // of the web pages that may use TCP (origins.h)
  std::size_t workers = 1024;                    // requests answered at a time
  // Recognizes requests that never wait for a model. They have their own workers, and are answered even while all others are busy.
  std::function<bool(const Request&)> is_quick = nullptr;
  ServerLimits limits;
  Refuse refuse;
};

class Server {
 public:
  // Errors: kAlreadyExists (the port is taken), kIo (also when descriptors are used up).
  static Result<std::unique_ptr<Server>> start(ServerOptions options, Handler handler);
  ~Server();

  // Serves until stop(), or SIGTERM or SIGINT, and until the answers in flight have ended or stop_time has passed and they were cancelled.
  // A second signal cancels them at once, a third ends the process. `stopping` is called once when the stop begins.
  // False when a handler did not end within cancel_time: then the server cannot be destroyed, and the process should end.
  bool run(const std::function<void()>& stopping);
  // Any thread; returns at once.
  void stop();

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace mlxr::daemon
