// The page's methods about mlxrunnerd, against a socket with prepared answers. The real daemon is in tests/app/test_window.py.
#include "app/host/daemon_methods.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "platform/version.h"
#include "tests/app/ui_thread.h"
#include "tests/platform/temporary_folder.h"

namespace mlxr::app {
namespace {

using nlohmann::json;
using platform::TemporaryFolder;
using testing::HasSubstr;
using testing::StartsWith;

// Answers each connection's one request with `answer`, and keeps the last one.
class FakeDaemon {
 public:
  FakeDaemon(const std::filesystem::path& socket, std::string answer) : answer_(std::move(answer)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, socket.c_str());
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener_, 8), 0);
    thread_ = std::thread([this] { serve(); });
  }
  ~FakeDaemon() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  std::string request() {
    const std::lock_guard lock(mutex_);
    return request_;
  }

 private:
  void serve() {
    for (int connection = 0; (connection = ::accept(listener_, nullptr, nullptr)) >= 0; ::close(connection)) {
      std::string request;
      char piece[4096];
      while (!is_whole(request)) {
        const ssize_t n = ::recv(connection, piece, sizeof piece, 0);
        if (n <= 0) break;
        request.append(piece, static_cast<std::size_t>(n));
      }
      const std::lock_guard lock(mutex_);
      request_ = request;
      EXPECT_EQ(::send(connection, answer_.data(), answer_.size(), MSG_NOSIGNAL), static_cast<ssize_t>(answer_.size()));
    }
  }
  static bool is_whole(const std::string& request) {
    const auto end = request.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    const auto length = request.find("Content-Length: ");
    return length > end || request.size() == end + 4 + std::stoul(request.substr(length + 16));
  }

  int listener_ = ::socket(AF_UNIX, SOCK_STREAM, 0);
  std::string answer_, request_;
  std::mutex mutex_;
  std::thread thread_;
};

std::string http(const std::string& status, const std::string& body) {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + body;
}

class DaemonMethods : public testing::Test {
 protected:
  json ask(const std::string& method, const json& params = json::object()) {
    return ui_.ask(bridge_, json{{"id", 1}, {"method", method}, {"params", params}}.dump());
  }
  json result(const std::string& method, const json& params = json::object()) {
    const json answer = ask(method, params);
    EXPECT_TRUE(answer.contains("result")) << answer;
    return answer.value("result", json());
  }
  json error(const std::string& method, const json& params = json::object()) {
    const json answer = ask(method, params);
    EXPECT_TRUE(answer.contains("error")) << answer;
    return answer.value("error", json());
  }

  TemporaryFolder home_;
  platform::Paths paths_{.socket = home_.path / "socket", .logs = home_.path / "logs"};
  UiThread ui_;
  Bridge bridge_{daemon_methods(paths_), ui_.post()};
};

TEST_F(DaemonMethods, TheProgramSaysWhatItIs) {
  EXPECT_EQ(result("app.info")["version"], kVersion);
  EXPECT_THAT(result("app.info")["platform"].get<std::string>(), testing::AnyOf("linux", "macos"));
}

TEST_F(DaemonMethods, WithoutADaemonTheStatusSaysSo) {
  const json status = result("daemon.status");
  EXPECT_EQ(status["running"], false);
  EXPECT_EQ(status["socket"], paths_.socket.string());
  EXPECT_TRUE(status["daemon"].is_null());
}

TEST_F(DaemonMethods, WithoutADaemonARequestIsAnError) {
  const json failed = error("daemon.request", {{"method", "GET"}, {"path", "/api/tags"}});
  EXPECT_EQ(failed["code"], "daemon_unavailable");
  EXPECT_THAT(failed["message"].get<std::string>(), HasSubstr(paths_.socket.string()));
}

TEST_F(DaemonMethods, HowTheDaemonIsStartedIsThePlatforms) {
  bool asked = false;
  Bridge bridge{daemon_methods(paths_,
                               [&](const platform::Paths& paths, const std::atomic<bool>&) -> cli::Answered<void> {
                                 asked = paths.socket == paths_.socket;
                                 return cli::refused(ErrorCode::kPermission, "Allow it in System Settings.");
                               }),
                ui_.post()};
  const json answer = ui_.ask(bridge, json{{"id", 1}, {"method", "daemon.start"}, {"params", json::object()}}.dump());
  EXPECT_TRUE(asked);
  EXPECT_EQ(answer["error"], (json{{"code", "permission"}, {"message", "Allow it in System Settings."}}));
}

TEST_F(DaemonMethods, StoppingNoDaemonIsNoError) { EXPECT_EQ(result("daemon.stop")["running"], false); }

TEST_F(DaemonMethods, TheStatusHoldsTheDaemonsOwn) {
  FakeDaemon daemon(paths_.socket, http("200 OK", R"({"version": "9.9"})"));
  const json status = result("daemon.status");
  EXPECT_EQ(status["running"], true);
  EXPECT_EQ(status["daemon"]["version"], "9.9");
  EXPECT_THAT(daemon.request(), StartsWith("GET /mlxr/status HTTP/1.1\r\n"));
}

TEST_F(DaemonMethods, ADaemonThatRefusesIsAnError) {
  FakeDaemon daemon(paths_.socket, http("403 Forbidden", R"({"error": "Not you.", "code": "permission"})"));
  EXPECT_EQ(error("daemon.status"), (json{{"code", "permission"}, {"message", "Not you."}}));
}

TEST_F(DaemonMethods, ARequestBringsStatusAndBody) {
  FakeDaemon daemon(paths_.socket, http("404 Not Found", R"({"error": "no such model"})"));
  const json answer = result("daemon.request", {{"method", "POST"}, {"path", "/api/show"}, {"body", {{"model", "ä"}}}});
  EXPECT_EQ(answer, json::parse(R"({"status": 404, "body": {"error": "no such model"}})"));
  EXPECT_THAT(daemon.request(), StartsWith("POST /api/show HTTP/1.1\r\n"));
  EXPECT_THAT(daemon.request(), testing::EndsWith("\r\n\r\n{\"model\":\"ä\"}"));
}

TEST_F(DaemonMethods, ABodyThatIsNotJsonIsText) {
  FakeDaemon daemon(paths_.socket, http("200 OK", "hello"));
  EXPECT_EQ(result("daemon.request", {{"method", "GET"}, {"path", "/api/tags"}})["body"], "hello");
}

TEST_F(DaemonMethods, OnlyRoutesThatReadArePassedOn) {
  FakeDaemon daemon(paths_.socket, http("200 OK", "{}"));
  for (const auto& [method, path] : {std::pair{"POST", "/mlxr/shutdown"},
                                     {"DELETE", "/api/delete"},
                                     {"POST", "/api/tags"},
                                     {"get", "/api/tags"},
                                     {"GET", "/health"},
                                     {"GET", "/api/tags?x=1"},
                                     {"GET", "/api/tags/../delete"},
                                     {"GET", "/api/tags\r\nX: y"},
                                     {"GET", ""}}) {
    const json refused = error("daemon.request", {{"method", method}, {"path", path}});
    EXPECT_EQ(refused["code"], "permission") << path;
    EXPECT_THAT(refused["message"].get<std::string>(), HasSubstr(path));
  }
  EXPECT_EQ(daemon.request(), "");
}

TEST_F(DaemonMethods, ThePageNamesInstalledModelsAndNoFiles) {
  FakeDaemon daemon(paths_.socket, http("200 OK", "{}"));
  for (const char* field : {"model", "name"}) {
    for (const char* file : {"/etc/hostname", "../x", "x://../../etc/hostname", "model.gguf"}) {
      const json refused = error("daemon.request", {{"method", "POST"}, {"path", "/api/show"}, {"body", {{field, file}}}});
      EXPECT_EQ(refused["code"], "permission") << file;
      EXPECT_THAT(refused["message"].get<std::string>(), HasSubstr(file));
    }
  }
  EXPECT_EQ(daemon.request(), "");
}

TEST_F(DaemonMethods, WrongParametersAreNamed) {
  const auto says = [&](const std::string& method, const json& params) {
    const json failed = error(method, params);
    EXPECT_EQ(failed["code"], "invalid_params") << params;
    return failed["message"].get<std::string>();
  };
  EXPECT_THAT(says("daemon.request", {{"path", "/api/tags"}}), HasSubstr("'method'"));
  EXPECT_THAT(says("daemon.request", {{"method", "GET"}, {"path", 1}}), HasSubstr("'path'"));
  EXPECT_THAT(says("daemon.request", {{"method", "GET"}, {"path", "/api/tags"}, {"headers", {}}}), HasSubstr("'headers'"));
  EXPECT_THAT(says("daemon.request", {{"method", "GET"}, {"path", "/api/tags"}, {"body", 1}}), HasSubstr("'body'"));
  EXPECT_THAT(says("daemon.request", {{"method", "POST"}, {"path", "/api/show"}}), HasSubstr("'body'"));
  for (const char* method : {"app.info", "daemon.start", "daemon.status", "daemon.stop"})
    EXPECT_THAT(says(method, {{"now", true}}), HasSubstr("'now'"));
}

}  // namespace
}  // namespace mlxr::app
