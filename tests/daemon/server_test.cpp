// The server on a real socket, with limits short enough to reach: slow clients, and stopping.
#include "daemon/transport/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
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

// A TCP port that nothing uses now.
int free_port() {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(descriptor, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size), 0);
  ::close(descriptor);
  return ntohs(address.sin_port);
}

class Client {
 public:
  explicit Client(int port) : descriptor_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  explicit Client(const std::filesystem::path& socket) : descriptor_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, socket.c_str());
    EXPECT_EQ(::connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~Client() { ::close(descriptor_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send(std::string_view text) const {
    while (!text.empty()) {
      const auto n = ::send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL);
      ASSERT_GT(n, 0);
      text.remove_prefix(static_cast<std::size_t>(n));
    }
  }
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
  void serve(ServerLimits limits, Handler handler, std::size_t workers = 8, int port = 0) {
    char name[] = "/tmp/mlxr-server-XXXXXX";
    home_ = ::mkdtemp(name);
    instance_.emplace(Instance::claim(home_ / "mlxrunnerd.lock", home_ / "run" / "socket").value());
    server_ = Server::start({.unix_listener = instance_->release_listener(),
                             .port = port,
                             .token = [] { return "token"; },
                             .origins = {"http://localhost:3000"},
                             .workers = workers,
                             .is_quick = [](const Request& request) { return request.path == "/quick"; },
                             .limits = limits,
                             .refuse =
                                 [](std::string_view path, int status, std::string message) {
                                   if (path == "/throws") throw std::runtime_error("another mistake");
                                   return error_at(path, {.status = status, .message = std::move(message)});
                                 }},
                            std::move(handler))
                  .value();
    thread_ = std::thread([this] { EXPECT_TRUE(server_->run([this] { stopping_.set_value(); })); });
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
  EXPECT_THAT(second, HasSubstr(R"({"error":"The request body)"));
}

TEST_F(ServerTest, ABodyThatIsTooLargeIs413InTheShapeOfItsApi) {
  serve({.body_bytes = 1 << 20}, answer_ok);
  const auto openai = connect(), ollama = connect();
  openai.send("POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n");
  ollama.send("POST /api/generate HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n");
  EXPECT_THAT(openai.read_to_end(), testing::AllOf(StartsWith("HTTP/1.1 413 "), HasSubstr(R"("param":null)")));
  EXPECT_THAT(ollama.read_to_end(), testing::AllOf(StartsWith("HTTP/1.1 413 "), HasSubstr(R"({"error":"The request body)")));
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

TEST_F(ServerTest, OtherRequestsAreAnsweredWhileEveryWorkerIsBusy) {
  std::promise<void> begun, release;
  serve(
      {},
      [&](const Request& request, Responder& out) {
        if (request.path != "/quick") {
          begun.set_value();
          release.get_future().wait();
        }
        out.respond({.body = request.path});
      },
      1);
  const auto busy = connect(), quick = connect();
  busy.send(kGet);
  begun.get_future().wait();
  quick.send("GET /quick HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(quick.read_to_end(), EndsWith("/quick"));
  release.set_value();
  EXPECT_THAT(busy.read_to_end(), EndsWith("/api/x"));
}

TEST_F(ServerTest, A503ForHeadHasNoBodyThatTheNextAnswerCouldBeReadInto) {
  std::promise<void> begun, release;
  serve(
      {},
      [&](const Request& request, Responder& out) {
        if (request.method == "GET") {
          begun.set_value();
          release.get_future().wait();
        }
        out.respond({.body = "{}"});
      },
      1);
  const auto first = connect(), second = connect();
  first.send(kGet);
  begun.get_future().wait();
  second.send("HEAD /api/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(second.read_to_end(), testing::AllOf(StartsWith("HTTP/1.1 503 "), EndsWith("\r\n\r\n")));
  release.set_value();
  first.read_to_end();
}

void stream_two_pieces(const Request&, Responder& out) {
  out.start({.content_type = "text/plain"});
  out.write("one ");
  out.write("two");
  out.finish();
}

TEST_F(ServerTest, AClientOfHttp10GetsAStreamWithoutChunks) {
  serve({}, stream_two_pieces);
  const auto client = connect();
  client.send("GET /api/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const auto answer = client.read_to_end();
  EXPECT_THAT(answer, EndsWith("\r\n\r\none two"));
  EXPECT_THAT(answer, testing::AllOf(HasSubstr("Connection: close"), testing::Not(HasSubstr("chunked"))));
}

TEST_F(ServerTest, AnEncodedBodyIs415WithTheNameOfItsEncoding) {
  serve({}, answer_ok);
  const auto client = connect();
  client.send("POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b");
  EXPECT_THAT(client.read_to_end(), testing::AllOf(StartsWith("HTTP/1.1 415 "), HasSubstr("gzip"), HasSubstr("Accept-Encoding: identity")));
}

TEST_F(ServerTest, AHandlerThatThrowsBeforeItsAnswerIs500) {
  serve({}, [](const Request&, Responder&) { throw std::runtime_error("a mistake"); });
  const auto client = connect();
  client.send(kGet);
  EXPECT_THAT(client.read_to_end(), StartsWith("HTTP/1.1 500 "));
}

TEST_F(ServerTest, AnErrorThatCannotBeSentEndsItsConnectionOnly) {
  serve({}, [](const Request&, Responder&) { throw std::runtime_error("a mistake"); });
  const auto client = connect();
  client.send("GET /throws HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(client.read_to_end(), "");
  const auto next = connect();
  next.send(kGet);
  EXPECT_THAT(next.read_to_end(), StartsWith("HTTP/1.1 500 "));
}

TEST_F(ServerTest, AHandlerThatThrowsInItsStreamClosesTheConnectionWithoutAnEnd) {
  serve({}, [](const Request&, Responder& out) {
    out.start({});
    out.write("half");
    throw std::runtime_error("a mistake");
  });
  const auto client = connect();
  client.send("GET /api/x HTTP/1.1\r\nHost: x\r\n\r\n");  // kept alive, so only the server can end it
  EXPECT_THAT(client.read_to_end(), EndsWith("half\r\n"));
}

TEST_F(ServerTest, AClientThatSentManyRequestsAheadIsStillMissedWhenItGoes) {
  std::promise<void> begun, told;
  serve({}, [&](const Request&, Responder& out) {
    std::promise<void> gone;
    out.on_gone([&] { gone.set_value(); });
    begun.set_value();
    gone.get_future().wait();
    out.on_gone({});
    told.set_value();
  });
  {
    const auto client = connect();
    client.send(kGet);
    begun.get_future().wait();
    client.send("POST /api/x HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + std::string(200000, 'x'));
  }
  EXPECT_EQ(told.get_future().wait_for(30s), std::future_status::ready);
}

TEST_F(ServerTest, AStrangerOverTcpHasLittleTimeAndTheOwnerHasMore) {
  const int port = free_port();
  serve({.stranger_time = 1s}, answer_ok, 8, port);
  const auto owner = connect();
  const Client idle(port), slow(port);
  slow.send("GET /api/x HT");
  EXPECT_EQ(idle.read_to_end(), "");
  EXPECT_THAT(slow.read_to_end(), StartsWith("HTTP/1.1 408 "));
  owner.send(kGet);  // idle for longer than any of them
  EXPECT_THAT(owner.read_to_end(), EndsWith("{}"));
}

TEST_F(ServerTest, ConnectionsOverTcpDoNotUseUpThoseOfTheOwner) {
  const int port = free_port();
  serve({.tcp_connections = 1}, answer_ok, 8, port);
  const Client first(port), second(port);
  EXPECT_EQ(second.read_to_end(), "");  // one too many
  const auto owner = connect();
  owner.send(kGet);
  EXPECT_THAT(owner.read_to_end(), EndsWith("{}"));
  first.send("GET /api/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer token\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(first.read_to_end(), EndsWith("{}"));
}

TEST_F(ServerTest, APreflightOfAListedOriginIsAnsweredWithoutAToken) {
  const int port = free_port();
  serve({}, answer_ok, 8, port);
  const Client client(port), stranger(port), page(port);
  client.send(
      "OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost:3000\r\n"
      "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\n\r\n");
  EXPECT_THAT(client.read_to_end(),
              testing::AllOf(StartsWith("HTTP/1.1 204 "), HasSubstr("Access-Control-Allow-Origin: http://localhost:3000"),
                             HasSubstr("Access-Control-Allow-Headers: authorization"), testing::Not(HasSubstr("Content-Length"))));
  stranger.send(
      "OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost:3001\r\n"
      "Access-Control-Request-Method: POST\r\n\r\n");
  EXPECT_THAT(stranger.read_to_end(), testing::AllOf(StartsWith("HTTP/1.1 403 "), testing::Not(HasSubstr("Access-Control"))));
  page.send(
      "GET /api/x HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost:3000\r\nAuthorization: bearer token\r\n"
      "Connection: close\r\n\r\n");
  EXPECT_THAT(page.read_to_end(),
              testing::AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Access-Control-Allow-Origin: http://localhost:3000")));
}

TEST_F(ServerTest, AStopDoesNotWaitForAReaderThatTakesNothing) {
  std::promise<void> begun;
  serve({.stop_time = 1s}, [&](const Request&, Responder& out) {
    out.start({});
    begun.set_value();
    const std::string piece(1 << 20, 'x');
    while (out.write(piece)) {
    }
  });
  const auto client = connect();
  client.send(kGet);
  begun.get_future().wait();
  const auto begin = std::chrono::steady_clock::now();
  server_->stop();
  thread_.join();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 30s);  // and not the minute that a write may take
  thread_ = std::thread([] {});
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
