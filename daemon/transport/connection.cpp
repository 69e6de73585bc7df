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

// How a client recognizes the end of a body.
enum class Framing { kLength, kChunked, kUntilClose };

std::string head_of(const Response& response, const Headers& extra, bool keep_alive, Framing framing) {
  constexpr int kNoContent = 204;
  std::string head = "HTTP/1.1 " + std::to_string(response.status) + " " + std::string(reason_of(response.status)) + "\r\n";
  const auto add = [&](std::string_view name, std::string_view value) { head.append(name).append(": ").append(value).append("\r\n"); };
  if (response.status != kNoContent) add("Content-Type", response.content_type);
  for (const auto& [name, value] : response.headers) add(name, value);
  for (const auto& [name, value] : extra) add(name, value);
  if (framing == Framing::kChunked) add("Transfer-Encoding", "chunked");
  if (framing != Framing::kLength) add("Cache-Control", "no-cache");
  if (framing == Framing::kLength && response.status != kNoContent) add("Content-Length", std::to_string(response.body.size()));
  add("Connection", keep_alive ? "keep-alive" : "close");
  return head + "\r\n";
}

std::string chunk(std::string_view piece) {
  char size[24];
  const int n = std::snprintf(size, sizeof size, "%zx\r\n", piece.size());
  return std::string(size, static_cast<std::size_t>(n)) + std::string(piece) + "\r\n";
}

}  // namespace

// The handler's thread calls the functions of the Responder. Each of them runs its work on the socket's strand and waits for it.
class Connection::Exchange : public Responder {
 public:
  // `version` is 10 for HTTP/1.0, which has no chunked encoding: a stream ends with the connection.
  Exchange(Connection& connection, Request request, unsigned version, bool keep_alive)
      : connection_(connection), request_(std::move(request)), chunked_(version > 10), keep_alive_(keep_alive) {}

  void respond(Response response) override {
    state_ = State::kFinished;
    send(whole(response));
  }
  bool start(Response head) override {
    state_ = State::kStarted;
    if (!chunked_) keep_alive_ = false;
    return send(head_of(head, connection_.extra_headers_, keep_alive(), chunked_ ? Framing::kChunked : Framing::kUntilClose));
  }
  bool write(std::string_view piece) override {
    if (piece.empty()) return !is_gone();
    return send(chunked_ ? chunk(piece) : std::string(piece));
  }
  void finish() override {
    state_ = State::kFinished;
    if (chunked_) send("0\r\n\r\n");
  }

  // The bytes of an answer; HEAD gets the head alone.
  std::string whole(const Response& response) const {
    auto bytes = head_of(response, connection_.extra_headers_, keep_alive(), Framing::kLength);
    return request_.method == "HEAD" ? bytes : bytes + response.body;
  }

  void on_gone(std::function<void()> gone) override {
    std::lock_guard lock(mutex_);
    gone_callback_ = std::move(gone);
    if (is_gone_ && gone_callback_) gone_callback_();
  }
  bool is_gone() const override { return is_gone_; }

  void set_answered() { state_ = State::kFinished; }
  void set_gone() {
    std::lock_guard lock(mutex_);
    if (is_gone_.exchange(true)) return;
    if (gone_callback_) gone_callback_();
  }

  const Request& request() const { return request_; }
  bool is_unanswered() const { return state_ == State::kUnanswered; }
  bool keep_alive() const { return keep_alive_ && !connection_.last_; }
  // Otherwise the connection cannot be reused: the client would wait for the end of the answer.
  bool ended_well() const { return state_ == State::kFinished && !is_gone_; }

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
  const bool chunked_;
  // The handler's thread, and the strand before and after it.
  enum class State { kUnanswered, kStarted, kFinished } state_ = State::kUnanswered;
  bool keep_alive_;
  bool client_lost_ = false;
  std::atomic<bool> is_gone_ = false;
  std::mutex mutex_;
  std::function<void()> gone_callback_;
};

Connection::Connection(GenericSocket socket, Transport transport, ConnectionContext context)
    : socket_(std::move(socket)), transport_(transport), context_(context), close_timer_(socket_.get_executor()) {}

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
    if (!self->exchange_) return void(self->socket_.close(ignored));
    self->exchange_->set_gone();
    // The handler may still send its last bytes; a client that reads nothing must not delay it further.
    constexpr std::chrono::seconds kLastWords{1};
    self->close_timer_.expires_after(kLastWords);
    self->close_timer_.async_wait([self](boost::system::error_code error) {
      boost::system::error_code close_error;
      if (!error) self->socket_.close(close_error);
    });
  });
}

Connection::Awaitable<void> Connection::serve() {
  while (!last_ && co_await serve_one()) {
  }
  boost::system::error_code ignored;
  close_timer_.cancel();
  socket_.shutdown(GenericSocket::shutdown_both, ignored);
  socket_.close(ignored);
}

Connection::Awaitable<bool> Connection::serve_one() {
  Parser parser;
  parser.header_limit(context_.options.limits.header_bytes);
  parser.body_limit(context_.options.limits.body_bytes);
  extra_headers_.clear();
  received_ = {};
  // One by one: GCC 12 awaits what follows || although the first operand has decided.
  if (!co_await read_head(parser)) co_return false;
  if (!co_await check_head(parser)) co_return false;
  if (!co_await read_body(parser)) co_return false;
  const auto& head = parser.get();

  Request request;
  request.method = std::string(view(head.method_string()));
  request.transport = transport_;
  if (!parse_target(view(head.target()), request.path, request.query)) {
    co_await refuse(parser, 400, "The URL of the request is malformed.");
    co_return false;
  }
  const bool keep_alive = head.keep_alive();
  const unsigned version = head.version();
  request.body = std::move(parser.get().body());
  request.received = std::exchange(received_, {});
  auto exchange = std::make_shared<Exchange>(*this, std::move(request), version, keep_alive);
  co_await answer(exchange);
  co_return exchange->keep_alive() && exchange->ended_well();
}

// Checks access and encoding by the headers alone, before the body is read.
Connection::Awaitable<bool> Connection::check_head(const Parser& parser) {
  const auto& head = parser.get();
  if (transport_ == Transport::kTcp) {
    const auto origin = view(head[http::field::origin]);
    const bool is_preflight = head.method() == http::verb::options && head.count(http::field::access_control_request_method) > 0;
    const auto refusal = check_access({view(head[http::field::host]), origin, view(head[http::field::authorization]), is_preflight},
                                      context_.options.token ? context_.options.token() : "", context_.options.origins);
    if (!refusal || refusal->status == 401) extra_headers_ = cors_headers(origin);
    if (refusal) {
      co_await refuse(parser, refusal->status, refusal->message);
      co_return false;
    }
    if (is_preflight && !origin.empty()) {
      constexpr int kNoContent = 204;
      const Response answer{.status = kNoContent, .headers = preflight_headers(view(head[http::field::access_control_request_headers]))};
      co_await write_all(head_of(answer, extra_headers_, false, Framing::kLength));
      co_return false;
    }
  }
  is_known_ = true;
  const auto encoding = view(head[http::field::content_encoding]);
  if (encoding.empty() || boost::beast::iequals(head[http::field::content_encoding], "identity")) co_return true;
  extra_headers_.emplace_back("Accept-Encoding", "identity");
  co_await refuse(parser, 415, "The body is encoded as " + std::string(encoding) + ". Send it as it is, without Content-Encoding.");
  co_return false;
}

// Only these can come with descriptors: what is read later, a system call reads that leaves them to the system, which closes them.
Connection::Awaitable<bool> Connection::read_first_bytes() {
  constexpr std::size_t kPiece = 4096;
  for (;;) {
    const auto [error] = co_await socket_.async_wait(GenericSocket::wait_read, as_tuple(use_awaitable));
    if (error) co_return false;
    const auto space = buffer_.prepare(kPiece);
    const auto n = receive_with_files(socket_.native_handle(), {static_cast<char*>(space.data()), space.size()}, received_);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) continue;
    if (n <= 0) co_return false;
    buffer_.commit(static_cast<std::size_t>(n));
    co_return true;
  }
}

Connection::Awaitable<bool> Connection::read_head(Parser& parser) {
  const auto& limits = context_.options.limits;
  // Over TCP every user of this machine can connect, so connections without a valid token have little time.
  const bool is_stranger = transport_ == Transport::kTcp && !is_known_;
  const std::chrono::milliseconds idle_time = is_stranger ? limits.stranger_time : limits.idle_time;
  const std::chrono::milliseconds header_time = is_stranger ? std::min(limits.stranger_time, limits.header_time) : limits.header_time;
  if (buffer_.size() == 0) {  // between requests: no hurry, and nobody to answer
    const auto first = co_await (read_first_bytes() || sleep_for(idle_time));
    if (first.index() == 1 || !std::get<0>(first)) co_return false;
  }
  const auto done = co_await (http::async_read_header(socket_, buffer_, parser, as_tuple(use_awaitable)) || sleep_for(header_time));
  if (done.index() == 1) {
    co_await refuse(parser, 408, "The request headers did not arrive in time.");
    co_return false;
  }
  const auto error = std::get<0>(std::get<0>(done));
  if (error == http::error::header_limit) {
    co_await refuse(parser, 431, "The request headers are longer than " + std::to_string(limits.header_bytes) + " bytes.");
  } else if (error == http::error::body_limit) {  // known from its Content-Length
    co_await refuse_too_large(parser);
  } else if (error.category() == http::make_error_code(http::error::bad_method).category() && error != http::error::end_of_stream &&
             error != http::error::partial_message) {
    co_await refuse(parser, 400, "Malformed HTTP request: " + error.message() + ".");
  }
  co_return !error;
}

Connection::Awaitable<bool> Connection::read_body(Parser& parser) {
  if (parser.is_done()) co_return true;
  if (boost::beast::iequals(parser.get()[http::field::expect], "100-continue")) {
    if (!co_await write_all("HTTP/1.1 100 Continue\r\n\r\n")) co_return false;
  }
  auto done =
      co_await (http::async_read(socket_, buffer_, parser, as_tuple(use_awaitable)) || sleep_for(context_.options.limits.body_time));
  if (done.index() == 1) {
    co_await refuse(parser, 408, "The request body did not arrive in time.");
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
  auto& workers = context_.options.is_quick && context_.options.is_quick(exchange->request()) ? context_.quick_workers : context_.workers;
  const bool accepted = workers.run([this, exchange, &done, &ended, keep = shared_from_this()] {
    run_handler(*exchange);
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
    const auto busy = context_.options.refuse(exchange->request().path, 503, "Too many requests are in flight; try again in a second.");
    if (co_await write_all(exchange->whole(busy))) exchange->set_answered();
  }
  exchange_ = nullptr;
}

// Runs on a worker. An exception of the handler ends only its request.
void Connection::run_handler(Exchange& exchange) {
  const auto& request = exchange.request();
  try {
    context_.handler(request, exchange);
  } catch (const std::exception& error) {
    spdlog::error("{} {}: {}", request.method, request.path, error.what());
  } catch (...) {
    spdlog::error("{} {}: an unknown exception", request.method, request.path);
  }
  if (!exchange.is_unanswered()) return;
  try {
    exchange.respond(context_.options.refuse(request.path, 500, "Internal error. For details: mlx logs"));
  } catch (const std::exception& error) {
    spdlog::error("{} {}: the error could not be sent: {}", request.method, request.path, error.what());
  }
}

// Reads ahead in order to notice when the client closes the connection. The bytes belong to its next request; a client that sends more
// than one request ahead is disconnected.
Connection::Awaitable<void> Connection::watch(std::shared_ptr<Exchange> exchange) {
  constexpr std::size_t kPiece = 4096;
  const auto most = context_.options.limits.header_bytes + context_.options.limits.body_bytes;
  for (;;) {
    if (buffer_.size() >= most) {
      exchange->set_gone();
      co_return;
    }
    const auto [error, n] = co_await socket_.async_read_some(buffer_.prepare(kPiece), as_tuple(use_awaitable));
    if (error == asio::error::operation_aborted) co_return;
    if (error) {
      exchange->set_gone();
      co_return;
    }
    buffer_.commit(n);
  }
}

// Answers a request whose body was not read to the end. The rest is discarded for a moment, so that the client sees the answer
// instead of a reset, and then the connection is closed.
Connection::Awaitable<void> Connection::refuse(const Parser& parser, int status, std::string message) {
  auto response = context_.options.refuse(view(parser.get().target()), status, std::move(message));
  if (status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  auto bytes = head_of(response, extra_headers_, false, Framing::kLength);
  if (parser.get().method() != http::verb::head) bytes += response.body;
  if (!co_await write_all(std::move(bytes))) co_return;
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
  // Unread bytes would turn the close into a reset, which could overtake the answer.
  socket_.shutdown(GenericSocket::shutdown_receive, ignored);
  co_await (drain() || sleep_for(std::chrono::seconds(1)));
}

Connection::Awaitable<void> Connection::refuse_too_large(const Parser& parser) {
  return refuse(parser, 413,
                "The request body is larger than " + std::to_string(context_.options.limits.body_bytes >> 20) + " MiB, the limit.");
}

Connection::Awaitable<bool> Connection::write_all(std::string bytes) {
  auto done =
      co_await (asio::async_write(socket_, asio::buffer(bytes), as_tuple(use_awaitable)) || sleep_for(context_.options.limits.write_time));
  co_return done.index() == 0 && !std::get<0>(std::get<0>(done));
}

}  // namespace mlxr::daemon
