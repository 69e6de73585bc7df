// HTTP as routes see it: a complete request, and a way to answer it. No network types.
//
//   void version(const Request&, Responder& out) { out.respond(Response{.body = R"({"version":"1"})"}); }
//
// A handler runs on its own worker thread and may block; it answers exactly once, with a whole response (respond) or as a stream
// (start, write..., finish).
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/transport/received_files.h"

namespace mlxr::daemon {

enum class Transport { kUnixSocket, kTcp };

struct Request {
  std::string method;                        // "GET"
  std::string path;                          // decoded, without the query
  std::map<std::string, std::string> query;  // decoded
  std::string body;
  Transport transport = Transport::kUnixSocket;
  ReceivedFiles received = {};  // descriptors that came with its first byte; over the Unix socket only
};

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Response {
  int status = 200;
  std::string content_type = "application/json; charset=utf-8";
  std::string body;
  Headers headers = {};
};

// One answer. Belongs to the handler's thread, except the callback of on_gone.
class Responder {
 public:
  virtual ~Responder() = default;

  virtual void respond(Response response) = 0;

  // A stream: the head, any number of pieces, the end. Each call waits until the system has taken the bytes, so that a slow reader slows
  // only its own generation. Returns false when the client is gone and the handler should stop.
  virtual bool start(Response head) = 0;
  virtual bool write(std::string_view piece) = 0;
  virtual void finish() = 0;

  // Calls `gone` from another thread when the client goes away or the server stops waiting, at once if that happened already.
  // An empty function ends it; when that returns, `gone` is not running and will not run again.
  virtual void on_gone(std::function<void()> gone) = 0;
  virtual bool is_gone() const = 0;
};

using Handler = std::function<void(const Request&, Responder&)>;

// "/a%20b?x=1" into its path and query. False when an escape is broken or the path does not begin with '/'.
bool parse_target(std::string_view target, std::string& path, std::map<std::string, std::string>& query);

// The standard phrase of a status, for example "Not Found".
std::string_view reason_of(int status);

}  // namespace mlxr::daemon
