// The server on a real socket, with limits short enough to be met: what happens to clients that are slow, and at the end.
#include "daemon/transport/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <future>
#include <thread>

#include "daemon/routes/api_error.h"
#include "daemon/transport/instance.h"

namespace mlxr::daemon {
namespace {

using namespace std::chrono_literals;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

class Client {
 public:
  explicit Client(const std::filesystem::path& socket) : descriptor_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, socket.c_str());
    EXPECT_EQ(::connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~Client() { ::close(descriptor_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send(std::string_view text) const { EXPECT_EQ(::send(descriptor_, text.data(), text.size(), 0), static_cast<ssize_t>(text.size())); }
  std::string read_to_end() const {
    std::string all;
    char piece[4096];
    for (ssize_t n = 0; (n = ::recv(descriptor_, piece, sizeof piece, 0)) > 0;) all.append(piece, static_cast<std::size_t>(n));
    return all;
  }

 private:
  int descriptor_;
};

constexpr char kGet[] = "GET /api/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

class ServerTest : public testing::Test {
 protected:
  void serve(ServerLimits limits, Handler handler, std::size_t workers = 8) {
    char name[] = "/tmp/mlxr-server-XXXXXX";
    home_ = ::mkdtemp(name);
    instance_.emplace(Instance::claim(home_ / "run" / "socket").value());
    server_ =
        Server::start({.unix_listener = instance_->release_listener(),
                       .workers = workers,
                       .limits = limits,
                       .refuse = [](std::string_view path, int status,
                                    std::string message) { return error_at(path, {.status = status, .message = std::move(message)}); }},
                      std::move(handler))
            .value();
    thread_ = std::thread([this] { server_->run([this] { stopping_.set_value(); }); });
  }
  ~ServerTest() override {
    server_->stop();
    thread_.join();
    instance_.reset();
    std::filesystem::remove_all(home_);
  }
  Client connect() const { return Client(instance_->socket()); }

  std::filesystem::path home_;
  std::optional<Instance> instance_;
  std::unique_ptr<Server> server_;
  std::promise<void> stopping_;
  std::thread thread_;
};

void answer_ok(const Request&, Responder& out) { out.respond({.body = "{}"}); }

TEST_F(ServerTest, ASlowBodyIs408InTheShapeOfItsApi) {
  serve({.body_time = 1s}, answer_ok);
  const auto openai = connect(), ollama = connect();
  openai.send("POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{");
  ollama.send("POST /api/generate HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{");
  const auto first = openai.read_to_end(), second = ollama.read_to_end();
  EXPECT_THAT(first, StartsWith("HTTP/1.1 408 "));
  EXPECT_THAT(first, HasSubstr(R"("type":"invalid_request_error")"));
  EXPECT_THAT(second, StartsWith("HTTP/1.1 408 "));
  EXPECT_THAT(second, HasSubstr(R"({"error":"The body)"));
}

TEST_F(ServerTest, ABodyThatIsTooLargeIs413InTheShapeOfItsApi) {
  serve({.body_bytes = 1 << 20}, answer_ok);
  const auto openai = connect(), ollama = connect();
  openai.send("POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n");
  ollama.send("POST /api/generate HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n");
  EXPECT_THAT(openai.read_to_end(), testing::AllOf(StartsWith("HTTP/1.1 413 "), HasSubstr(R"("param":null)")));
  EXPECT_THAT(ollama.read_to_end(), testing::AllOf(StartsWith("HTTP/1.1 413 "), HasSubstr(R"({"error":"The body)")));
}

TEST_F(ServerTest, AClientThatDoesNotReadIsGoneAfterTheWriteTime) {
  std::promise<bool> ended;
  serve({.write_time = 1s}, [&](const Request&, Responder& out) {
    std::atomic<bool> told = false;
    out.on_gone([&] { told = true; });
    out.start({});
    const std::string piece(1 << 20, 'x');
    while (out.write(piece)) {
    }
    out.on_gone({});
    ended.set_value(told);
  });
  const auto client = connect();
  client.send(kGet);
  auto result = ended.get_future();
  ASSERT_EQ(result.wait_for(30s), std::future_status::ready);
  EXPECT_TRUE(result.get());
}

TEST_F(ServerTest, WhenEveryWorkerIsBusyTheNextIs503WithRetryAfter) {
  std::promise<void> begun, release;
  serve(
      {},
      [&](const Request&, Responder& out) {
        begun.set_value();
        release.get_future().wait();
        out.respond({.body = "late"});
      },
      1);
  const auto first = connect(), second = connect();
  first.send(kGet);
  begun.get_future().wait();
  second.send(kGet);
  EXPECT_THAT(second.read_to_end(), testing::AllOf(StartsWith("HTTP/1.1 503 "), HasSubstr("Retry-After: "), HasSubstr(R"({"error":")")));
  release.set_value();
  EXPECT_THAT(first.read_to_end(), EndsWith("late"));
}

TEST_F(ServerTest, AStopLetsAStreamEndWithinTheBound) {
  std::promise<void> begun;
  serve({.stop_time = 30s}, [&](const Request&, Responder& out) {
    out.start({});
    begun.set_value();
    stopping_.get_future().wait();
    EXPECT_TRUE(out.write("the rest"));
    out.finish();
  });
  const auto client = connect();
  client.send(kGet);
  begun.get_future().wait();
  server_->stop();
  EXPECT_THAT(client.read_to_end(), EndsWith("the rest\r\n0\r\n\r\n"));
}

TEST_F(ServerTest, AStopCancelsAStreamThatOutlivesTheBound) {
  std::promise<void> begun, cancelled;
  serve({.stop_time = 1s}, [&](const Request&, Responder& out) {
    std::promise<void> gone;
    out.on_gone([&] { gone.set_value(); });
    out.start({});
    begun.set_value();
    gone.get_future().wait();  // a generation without an end
    out.on_gone({});
    cancelled.set_value();
  });
  const auto client = connect();
  client.send(kGet);
  begun.get_future().wait();
  server_->stop();
  EXPECT_EQ(cancelled.get_future().wait_for(30s), std::future_status::ready);
  EXPECT_THAT(client.read_to_end(), testing::Not(HasSubstr("0\r\n\r\n")));
}

}  // namespace
}  // namespace mlxr::daemon
