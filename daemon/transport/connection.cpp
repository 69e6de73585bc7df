#include "daemon/transport/connection.h"

#include <spdlog/spdlog.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/read.hpp>

#include "daemon/transport/access.h"

namespace mlxr::daemon {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::as_tuple;
using asio::use_awaitable;
using namespace asio::experimental::awaitable_operators;

namespace {

using Clock = std::chrono::steady_clock;

asio::awaitable<void> sleep_for(std::chrono::milliseconds time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  co_await timer.async_wait(as_tuple(use_awaitable));
}

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

std::string head_of(const Response& response, bool keep_alive, bool chunked) {
  std::string head = "HTTP/1.1 " + std::to_string(response.status) + " " + std::string(reason_of(response.status)) +
                     "\r\nContent-Type: " + response.content_type + "\r\n";
  for (const auto& [name, value] : response.headers) head += name + ": " + value + "\r\n";
  head += chunked ? "Transfer-Encoding: chunked\r\nCache-Control: no-cache\r\n"
                  : "Content-Length: " + std::to_string(response.body.size()) + "\r\n";
  return head + (keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n");
}

std::string chunk(std::string_view piece) {
  char size[24];
  const int n = std::snprintf(size, sizeof size, "%zx\r\n", piece.size());
  return std::string(size, static_cast<std::size_t>(n)) + std::string(piece) + "\r\n";
}

}  // namespace

// The handler's thread calls the Responder's functions; each hop to the strand, where the socket may be used, and wait.
class Connection::Exchange : public Responder {
 public:
  Exchange(Connection& connection, Request request, bool head_only, bool keep_alive)
      : connection_(connection), request_(std::move(request)), head_only_(head_only), keep_alive_(keep_alive) {}

  void respond(Response response) override {
    answered_ = true;
    auto bytes = head_of(response, keep_alive(), false);
    if (!head_only_) bytes += response.body;
    send(std::move(bytes));
  }
  bool start(Response head) override {
    answered_ = true;
    return send(head_of(head, keep_alive(), true));
  }
  bool write(std::string_view piece) override { return piece.empty() ? !is_gone() : send(chunk(piece)); }
  void finish() override { send("0\r\n\r\n"); }

  void on_gone(std::function<void()> gone) override {
    std::lock_guard lock(mutex_);
    gone_callback_ = std::move(gone);
    if (is_gone_ && gone_callback_) gone_callback_();
  }
  bool is_gone() const override { return is_gone_; }

  void set_gone() {
    std::lock_guard lock(mutex_);
    if (is_gone_.exchange(true)) return;
    if (gone_callback_) gone_callback_();
  }

  const Request& request() const { return request_; }
  bool answered() const { return answered_; }
  bool keep_alive() const { return keep_alive_ && !connection_.last_; }

 private:
  bool send(std::string bytes) {
    if (client_lost_) return false;
    auto written = asio::co_spawn(connection_.socket_.get_executor(), connection_.write_all(std::move(bytes)), asio::use_future);
    if (written.get()) return !is_gone_;
    client_lost_ = true;
    set_gone();
    return false;
  }

  Connection& connection_;
  Request request_;
  const bool head_only_;
  const bool keep_alive_;
  bool answered_ = false;     // the handler's thread
  bool client_lost_ = false;  // the handler's thread
  std::atomic<bool> is_gone_ = false;
  std::mutex mutex_;
  std::function<void()> gone_callback_;
};

Connection::Connection(GenericSocket socket, Transport transport, ConnectionContext context)
    : socket_(std::move(socket)), transport_(transport), context_(context) {}

void Connection::start() {
  asio::co_spawn(
      socket_.get_executor(), [self = shared_from_this()] { return self->serve(); },
      [self = shared_from_this()](const std::exception_ptr& error) {
        if (!error) return;
        try {
          std::rethrow_exception(error);
        } catch (const std::exception& reason) {
          spdlog::error("a connection ended: {}", reason.what());
        }
      });
}

void Connection::finish_soon() {
  last_ = true;
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    boost::system::error_code ignored;
    if (!self->exchange_) self->socket_.close(ignored);
  });
}

void Connection::cancel() {
  last_ = true;
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    boost::system::error_code ignored;
    if (self->exchange_) return self->exchange_->set_gone();
    self->socket_.close(ignored);
  });
}

Connection::Awaitable<void> Connection::serve() {
  while (!last_ && co_await serve_one()) {
  }
  boost::system::error_code ignored;
  socket_.shutdown(GenericSocket::shutdown_both, ignored);
  socket_.close(ignored);
}

Connection::Awaitable<bool> Connection::serve_one() {
  Parser parser;
  parser.header_limit(context_.limits.header_bytes);
  parser.body_limit(context_.limits.body_bytes);
  if (!co_await read_head(parser)) co_return false;
  const auto& head = parser.get();
  if (transport_ == Transport::kTcp) {
    const Credentials given{view(head[http::field::host]), view(head[http::field::origin]), view(head[http::field::authorization])};
    if (auto refusal = check_access(given, context_.token)) {
      co_await refuse(parser, refusal->status, refusal->message);
      co_return false;
    }
  }
  if (!co_await read_body(parser)) co_return false;

  Request request;
  request.method = std::string(view(head.method_string()));
  request.transport = transport_;
  if (!parse_target(view(head.target()), request.path, request.query)) {
    co_await refuse(parser, 400, "The address of the request cannot be read.");
    co_return false;
  }
  const bool head_only = request.method == "HEAD";
  const bool keep_alive = head.keep_alive();
  request.body = std::move(parser.get().body());
  auto exchange = std::make_shared<Exchange>(*this, std::move(request), head_only, keep_alive);
  co_await answer(exchange);
  co_return exchange->keep_alive() && !exchange->is_gone();
}

Connection::Awaitable<bool> Connection::read_head(Parser& parser) {
  if (buffer_.size() == 0) {  // between requests: no hurry, and nobody to answer
    constexpr std::size_t kPiece = 4096;
    const auto first =
        co_await (socket_.async_read_some(buffer_.prepare(kPiece), as_tuple(use_awaitable)) || sleep_for(context_.limits.idle_time));
    if (first.index() == 1) co_return false;
    const auto [error, n] = std::get<0>(first);
    if (error) co_return false;
    buffer_.commit(n);
  }
  const auto done =
      co_await (http::async_read_header(socket_, buffer_, parser, as_tuple(use_awaitable)) || sleep_for(context_.limits.header_time));
  if (done.index() == 1) {
    co_await refuse(parser, 408, "The head of the request did not arrive in time.");
    co_return false;
  }
  const auto error = std::get<0>(std::get<0>(done));
  if (error == http::error::header_limit) {
    co_await refuse(parser, 431, "The head of the request is longer than " + std::to_string(context_.limits.header_bytes) + " bytes.");
  } else if (error == http::error::body_limit) {  // already by its Content-Length
    co_await refuse_too_large(parser);
  } else if (error.category() == http::make_error_code(http::error::bad_method).category() && error != http::error::end_of_stream &&
             error != http::error::partial_message) {
    co_await refuse(parser, 400, "This is not an HTTP request that can be read: " + error.message() + ".");
  }
  co_return !error;
}

Connection::Awaitable<bool> Connection::read_body(Parser& parser) {
  if (parser.is_done()) co_return true;
  if (boost::beast::iequals(parser.get()[http::field::expect], "100-continue") && !co_await write_all("HTTP/1.1 100 Continue\r\n\r\n"))
    co_return false;
  auto done = co_await (http::async_read(socket_, buffer_, parser, as_tuple(use_awaitable)) || sleep_for(context_.limits.body_time));
  if (done.index() == 1) {
    co_await refuse(parser, 408, "The body of the request did not arrive in time.");
    co_return false;
  }
  const auto error = std::get<0>(std::get<0>(done));
  if (error == http::error::body_limit) {
    co_await refuse_too_large(parser);
    co_return false;
  }
  co_return !error;
}

// Runs the handler on a worker while this coroutine watches the client.
Connection::Awaitable<void> Connection::answer(std::shared_ptr<Exchange> exchange) {
  exchange_ = exchange;
  asio::steady_timer done(socket_.get_executor(), Clock::time_point::max());
  bool ended = false;
  const bool accepted = context_.workers.run([this, exchange, &done, &ended, keep = shared_from_this()] {
    try {
      context_.handler(exchange->request(), *exchange);
    } catch (const std::exception& error) {
      spdlog::error("{} {}: {}", exchange->request().method, exchange->request().path, error.what());
      if (!exchange->answered())
        exchange->respond(context_.refuse(exchange->request().path, 500, "MLXR made a mistake; its log says more."));
    }
    asio::post(keep->socket_.get_executor(), [keep, &done, &ended] {
      ended = true;
      done.cancel();
    });
  });
  if (accepted) {
    const auto handler_ends = [&]() -> Awaitable<void> {
      co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
      while (!ended) co_await done.async_wait(as_tuple(use_awaitable));
    };
    co_await (handler_ends() || watch(exchange));
  } else {
    const auto busy = context_.refuse(exchange->request().path, 503, "Too many requests are in flight; try again in a second.");
    co_await write_all(head_of(busy, exchange->keep_alive(), false) + busy.body);
  }
  exchange_ = nullptr;
}

// Reads ahead, which shows when the client closes. What arrives belongs to its next request.
Connection::Awaitable<void> Connection::watch(std::shared_ptr<Exchange> exchange) {
  constexpr std::size_t kPiece = 4096;
  while (buffer_.size() < context_.limits.header_bytes) {
    const auto [error, n] = co_await socket_.async_read_some(buffer_.prepare(kPiece), as_tuple(use_awaitable));
    if (error == asio::error::operation_aborted) co_return;
    if (error) {
      exchange->set_gone();
      co_return;
    }
    buffer_.commit(n);
  }
}

// An answer to a request that was not read to its end: the rest is thrown away for a moment, so that the client sees the answer
// and not a reset, and then the connection closes.
Connection::Awaitable<void> Connection::refuse(const Parser& parser, int status, std::string message) {
  auto response = context_.refuse(view(parser.get().target()), status, std::move(message));
  if (status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (!co_await write_all(head_of(response, false, false) + response.body)) co_return;
  boost::system::error_code ignored;
  socket_.shutdown(GenericSocket::shutdown_send, ignored);
  const auto drain = [&]() -> Awaitable<void> {
    std::array<char, 16384> waste;
    for (std::size_t total = 0; total < (std::size_t{1} << 20);) {
      const auto [error, n] = co_await socket_.async_read_some(asio::buffer(waste), as_tuple(use_awaitable));
      if (error) co_return;
      total += n;
    }
  };
  co_await (drain() || sleep_for(std::chrono::seconds(1)));
  // Bytes that nobody read would turn the close into a reset, which may overtake the answer.
  socket_.shutdown(GenericSocket::shutdown_receive, ignored);
  co_await (drain() || sleep_for(std::chrono::seconds(1)));
}

Connection::Awaitable<void> Connection::refuse_too_large(const Parser& parser) {
  return refuse(
      parser, 413,
      "The body of the request is larger than " + std::to_string(context_.limits.body_bytes >> 20) + " MiB, the most that is read.");
}

Connection::Awaitable<bool> Connection::write_all(std::string bytes) {
  auto done = co_await (asio::async_write(socket_, asio::buffer(bytes), as_tuple(use_awaitable)) || sleep_for(context_.limits.write_time));
  co_return done.index() == 0 && !std::get<0>(std::get<0>(done));
}

}  // namespace mlxr::daemon
