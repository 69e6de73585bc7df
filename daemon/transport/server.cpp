#include "daemon/transport/server.h"

#include <spdlog/spdlog.h>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/signal_set.hpp>
#include <list>
#include <thread>

#include "daemon/transport/connection.h"
#include "daemon/transport/instance.h"

namespace mlxr::daemon {

namespace asio = boost::asio;
using asio::as_tuple;
using asio::use_awaitable;
using asio::ip::tcp;

class Server::Impl {
  using Clock = std::chrono::steady_clock;

 public:
  Impl(ServerOptions options, Handler handler)
      : options_(std::move(options)),
        handler_(std::move(handler)),
        workers_(options_.workers),
        quick_workers_(kQuickWorkers),
        signals_(io_),
        unix_(io_),
        tcp_(io_) {}

  Result<void> open() {
    boost::system::error_code error;
    unix_.assign(asio::local::stream_protocol(), options_.unix_listener, error);
    if (error) return fail(ErrorCode::kIo, "The Unix socket cannot be used: " + error.message() + ".");
    signals_.add(SIGTERM, error);
    if (!error) signals_.add(SIGINT, error);
    if (error) return fail(ErrorCode::kIo, "Signals cannot be handled: " + error.message() + ".");
    if (options_.port == 0) return {};
    const tcp::endpoint endpoint(asio::ip::make_address(options_.host, error), static_cast<unsigned short>(options_.port));
    if (!error) tcp_.open(endpoint.protocol(), error);
    if (!error) tcp_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) tcp_.bind(endpoint, error);
    if (!error) tcp_.listen(asio::socket_base::max_listen_connections, error);
    if (!error) return {};
    const bool taken = error == asio::error::address_in_use;
    return fail(taken ? ErrorCode::kAlreadyExists : ErrorCode::kIo, "mlxrunnerd cannot listen on " + options_.host + " port " +
                                                                        std::to_string(options_.port) + ": " + error.message() +
                                                                        (taken ? ". Choose another `port` in server.yaml." : "."));
  }

  bool run(const std::function<void()>& stopping) {
    stopping_ = stopping;
    asio::co_spawn(control_, accept(unix_, Transport::kUnixSocket), asio::detached);
    if (options_.port != 0) asio::co_spawn(control_, accept(tcp_, Transport::kTcp), asio::detached);
    asio::co_spawn(control_, obey_signals(), asio::detached);
    std::vector<std::thread> threads;
    for (int i = 1; i < kIoThreads; ++i) threads.emplace_back([this] { io_.run(); });
    io_.run();
    for (auto& thread : threads) thread.join();
    return open_connections().empty();
  }

  void stop() {
    asio::post(control_, [this] { begin_stop(); });
  }

 private:
  static constexpr int kIoThreads = 2;
  static constexpr std::size_t kQuickWorkers = 16;

  asio::awaitable<void> obey_signals() {
    const auto signalled = [this]() -> asio::awaitable<bool> {
      const auto [error, number] = co_await signals_.async_wait(as_tuple(use_awaitable));
      co_return !error;
    };
    if (!co_await signalled()) co_return;
    begin_stop();
    if (has_ended_) co_return;
    if (!co_await signalled()) co_return;
    cancel_answers();
    boost::system::error_code ignored;
    signals_.clear(ignored);  // the next signal has its default effect
  }

  template <typename Acceptor>
  asio::awaitable<void> accept(Acceptor& acceptor, Transport transport) {
    bool is_refusing = false;
    for (;;) {
      // A strand per connection: its reader, its writer and its timers never run at the same time.
      auto [error, socket] = co_await acceptor.async_accept(asio::make_strand(io_), as_tuple(use_awaitable));
      if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) co_return;
      if (error) {  // usually no descriptors are left: wait for some to be closed
        if (!std::exchange(is_refusing, true)) spdlog::warn("cannot accept connections: {}", error.message());
        asio::steady_timer pause(io_, std::chrono::milliseconds(100));
        co_await pause.async_wait(as_tuple(use_awaitable));
        continue;
      }
      if (std::exchange(is_refusing, false)) spdlog::info("accepting connections again");
      if (transport == Transport::kUnixSocket && !peer_is_same_user(socket.native_handle())) {
        spdlog::warn("refused a connection from another user");
        continue;
      }
      add(std::make_shared<Connection>(GenericSocket(std::move(socket)), transport,
                                       ConnectionContext{handler_, workers_, quick_workers_, options_}),
          transport);
    }
  }

  void add(std::shared_ptr<Connection> connection, Transport transport) {
    std::lock_guard lock(mutex_);
    auto& open = transport == Transport::kTcp ? tcp_connections_ : unix_connections_;
    std::erase_if(open, [](const std::weak_ptr<Connection>& one) { return one.expired(); });
    const auto most = transport == Transport::kTcp ? options_.limits.tcp_connections : options_.limits.connections;
    if (is_stopping_ || open.size() >= most) return;  // closes it
    open.push_back(connection);
    connection->start();
  }

  std::vector<std::shared_ptr<Connection>> open_connections() {
    std::lock_guard lock(mutex_);
    std::vector<std::shared_ptr<Connection>> open;
    for (const auto* list : {&unix_connections_, &tcp_connections_})
      for (const auto& one : *list)
        if (auto connection = one.lock()) open.push_back(std::move(connection));
    return open;
  }

  void begin_stop() {
    {
      std::lock_guard lock(mutex_);
      if (std::exchange(is_stopping_, true)) return;
    }
    if (stopping_) stopping_();
    boost::system::error_code ignored;
    unix_.close(ignored);
    tcp_.close(ignored);
    for (const auto& connection : open_connections()) connection->finish_soon();
    deadline_ = Clock::now() + options_.limits.stop_time;
    asio::co_spawn(control_, wait_for_the_last(), asio::detached);
  }

  void cancel_answers() {
    if (std::exchange(is_cancelled_, true)) return;
    spdlog::warn("cancelling answers that are still in flight");
    deadline_ = Clock::now() + options_.limits.cancel_time;
    for (const auto& connection : open_connections()) connection->cancel();
  }

  // Polls whether all connections have ended, so that a connection does not need a reference to the server.
  asio::awaitable<void> wait_for_the_last() {
    asio::steady_timer tick(io_);
    while (!open_connections().empty()) {
      if (deadline_ <= Clock::now()) {
        if (is_cancelled_) {
          spdlog::error("a request does not finish; mlxrunnerd exits without waiting for it");
          io_.stop();
          co_return;
        }
        cancel_answers();
      }
      tick.expires_after(std::chrono::milliseconds(20));
      co_await tick.async_wait(as_tuple(use_awaitable));
    }
    has_ended_ = true;
    boost::system::error_code ignored;
    signals_.cancel(ignored);
  }

  ServerOptions options_;
  Handler handler_;
  asio::io_context io_;
  asio::strand<asio::io_context::executor_type> control_{io_.get_executor()};  // accepting and stopping
  WorkerPool workers_, quick_workers_;
  asio::signal_set signals_;
  asio::local::stream_protocol::acceptor unix_;
  tcp::acceptor tcp_;
  Clock::time_point deadline_;  // for the answers in flight, after stop()
  bool is_cancelled_ = false;
  bool has_ended_ = false;
  std::function<void()> stopping_;
  std::mutex mutex_;
  std::list<std::weak_ptr<Connection>> unix_connections_, tcp_connections_;
  bool is_stopping_ = false;
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::start(ServerOptions options, Handler handler) {
  try {
    auto impl = std::make_unique<Impl>(std::move(options), std::move(handler));
    if (auto opened = impl->open(); !opened) return fail(opened.error());
    return std::unique_ptr<Server>(new Server(std::move(impl)));
  } catch (const boost::system::system_error& error) {  // Asio needs descriptors of its own
    return fail(ErrorCode::kIo, "mlxrunnerd cannot start its server: " + error.code().message() + ".");
  }
}

bool Server::run(const std::function<void()>& stopping) { return impl_->run(stopping); }
void Server::stop() { impl_->stop(); }

}  // namespace mlxr::daemon
