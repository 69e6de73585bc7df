// One connection and its requests, one after the other. Private to transport/, because it includes Beast.
#pragma once

#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <memory>
#include <mutex>
#include <string>

#include "daemon/transport/http.h"
#include "daemon/transport/server.h"
#include "daemon/transport/worker_pool.h"

namespace mlxr::daemon {

using GenericSocket = boost::asio::generic::stream_protocol::socket;

// What all connections share; outlives them.
struct ConnectionContext {
  const Handler& handler;
  WorkerPool& workers;
  WorkerPool& quick_workers;
  const ServerOptions& options;
};

// Owned by its own coroutine, which runs on the socket's strand; finish_soon() and cancel() may be called from any thread.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(GenericSocket socket, Transport transport, ConnectionContext context);

  void start();
  // Accepts no further requests: closes when the answer in flight, if any, is complete.
  void finish_soon();
  // The same, but tells the handler that the client is gone, and closes shortly afterwards.
  void cancel();

 private:
  class Exchange;  // the Responder of one request
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  template <typename T>
  using Awaitable = boost::asio::awaitable<T>;

  Awaitable<void> serve();
  Awaitable<bool> serve_one();                // false: close
  Awaitable<bool> read_first_bytes();         // false: gone
  Awaitable<bool> read_head(Parser& parser);  // false: answered or gone
  Awaitable<bool> read_body(Parser& parser);
  Awaitable<bool> check_head(const Parser& parser);  // false: refused
  Awaitable<void> answer(std::shared_ptr<Exchange> exchange);
  void run_handler(Exchange& exchange);
  Awaitable<void> watch(std::shared_ptr<Exchange> exchange);
  Awaitable<void> refuse(const Parser& parser, int status, std::string message);
  Awaitable<void> refuse_too_large(const Parser& parser);
  Awaitable<bool> write_all(std::string bytes);

  GenericSocket socket_;
  const Transport transport_;
  ConnectionContext context_;
  boost::beast::flat_buffer buffer_;
  boost::asio::steady_timer close_timer_;
  std::shared_ptr<Exchange> exchange_;  // in flight
  ReceivedFiles received_;              // with the request at hand
  Headers extra_headers_;               // of every answer to the request at hand
  bool is_known_ = false;               // a request of this connection had access
  std::atomic<bool> last_ = false;
};

}  // namespace mlxr::daemon
