#include "daemon/routes/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mlxr::daemon {
namespace {

using testing::HasSubstr;

class Recorder : public Responder {
 public:
  void respond(Response response) override { last = std::move(response); }
  bool start(Response head) override {
    last = std::move(head);
    return true;
  }
  bool write(std::string_view piece) override {
    last.body += piece;
    return true;
  }
  void finish() override {}
  void on_gone(std::function<void()>) override {}
  bool is_gone() const override { return false; }

  Response last;
};

Response ask(const std::string& method, const std::string& path) {
  Router router;
  router.add("GET", "/api/tags", [](const Request&, const std::string&, Responder& out) { out.respond({.body = "tags"}); });
  router.add("POST", "/v1/completions", [](const Request&, const std::string&, Responder& out) { out.respond({.body = "text"}); });
  router.add("GET", "/v1/models/{}", [](const Request&, const std::string& id, Responder& out) { out.respond({.body = id}); });
  Recorder out;
  router.handle({.method = method, .path = path}, out);
  return out.last;
}

TEST(Router, FindsTheRoute) {
  EXPECT_EQ(ask("GET", "/api/tags").body, "tags");
  EXPECT_EQ(ask("HEAD", "/api/tags").body, "tags");
  EXPECT_EQ(ask("GET", "/v1/models/smollm2:135m").body, "smollm2:135m");
}

TEST(Router, KnowsWhichRequestsAreQuick) {
  const auto nothing = [](const Request&, const std::string&, Responder&) {};
  Router router;
  router.add_quick("GET", "/api/ps", nothing);
  router.add("POST", "/api/chat", nothing);
  EXPECT_TRUE(router.is_quick({.method = "GET", .path = "/api/ps"}));
  EXPECT_FALSE(router.is_quick({.method = "POST", .path = "/api/chat"}));
  EXPECT_TRUE(router.is_quick({.method = "GET", .path = "/nothing/here"}));
}

TEST(Router, AWrongMethodIsToldTheRightOne) {
  const auto response = ask("GET", "/v1/completions");
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(response.headers, (Headers{{"Allow", "POST"}}));
}

TEST(Router, ErrorsHaveTheirFamilysShape) {
  EXPECT_THAT(ask("GET", "/api/nothing").body, HasSubstr(R"({"error":"There is no route /api/nothing."})"));
  EXPECT_THAT(ask("GET", "/v1/nothing").body, HasSubstr(R"("type":"not_found_error")"));
  EXPECT_EQ(ask("GET", "/v1/models/").status, 404);
}

}  // namespace
}  // namespace mlxr::daemon
