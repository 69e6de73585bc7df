// The bridge with methods for the test: its answers to invalid requests, and its use of threads.
#include "app/host/bridge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "tests/app/ui_thread.h"

namespace mlxr::app {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::HasSubstr;

Methods echo() {
  return {{"echo", [](const json& params, const auto&) { return params; }},
          {"refuse", [](const json&, const auto&) { return std::expected<json, BridgeError>(refuse("permission", "Not that.")); }}};
}

TEST(Bridge, AnswersWithTheResultUnderTheRequestsId) {
  UiThread ui;
  Bridge bridge(echo(), ui.post());
  EXPECT_EQ(ui.ask(bridge, R"({"id": 7, "method": "echo", "params": {"a": [1, "ü"]}})"),
            json::parse(R"({"id": 7, "result": {"a": [1, "ü"]}})"));
  EXPECT_EQ(ui.ask(bridge, R"({"id": "x", "method": "echo"})"), json::parse(R"({"id": "x", "result": {}})"));
  EXPECT_EQ(ui.ask(bridge, R"({"id": 8, "method": "refuse"})"),
            json::parse(R"({"id": 8, "error": {"code": "permission", "message": "Not that."}})"));
}

TEST(Bridge, WhatIsNoRequestIsToldWhy) {
  UiThread ui;
  Bridge bridge(echo(), ui.post());
  const struct {
    const char *request, *id, *code, *says;
  } kCases[] = {
      {"", "null", "invalid_request", "not JSON"},
      {R"({"id": 1, "method": "echo")", "null", "invalid_request", "not JSON"},
      {"[1]", "null", "invalid_request", "not a JSON object"},
      {R"({"method": "echo"})", "null", "invalid_request", "'id'"},
      {R"({"id": {}, "method": "echo"})", "null", "invalid_request", "'id'"},
      {R"({"id": 1})", "1", "invalid_request", "'method'"},
      {R"({"id": 1, "method": 2})", "1", "invalid_request", "'method'"},
      {R"({"id": 1, "method": "echo", "parameters": {}})", "1", "invalid_request", "'parameters'"},
      {R"({"id": 1, "method": "echo", "params": [1]})", "1", "invalid_params", "'params'"},
      {R"({"id": 1, "method": "eval"})", "1", "unknown_method", "'eval'"},
  };
  for (const auto& one : kCases) {
    const json answer = ui.ask(bridge, one.request);
    EXPECT_EQ(answer["id"], json::parse(one.id)) << one.request;
    EXPECT_EQ(answer["error"]["code"], one.code) << one.request;
    EXPECT_THAT(answer["error"]["message"].get<std::string>(), HasSubstr(one.says));
    EXPECT_FALSE(answer.contains("result"));
  }
}

TEST(Bridge, TextThatIsNotUtf8IsAnsweredAllTheSame) {
  UiThread ui;
  Bridge bridge({{"bytes", [](const json&, const auto&) { return json("\xff"); }}}, ui.post());
  EXPECT_EQ(ui.ask(bridge, R"({"id": 1, "method": "bytes"})")["result"], "\uFFFD");
}

TEST(Bridge, ASlowMethodHoldsUpNeitherTheCallerNorTheOthers) {
  UiThread ui;
  std::promise<void> go_on;
  auto gate = go_on.get_future().share();
  auto methods = echo();
  methods["slow"] = [gate](const json&, const auto&) {
    gate.wait();
    return json("late");
  };
  Bridge bridge(std::move(methods), ui.post());
  auto slow = ui.start(bridge, R"({"id": 1, "method": "slow"})");
  EXPECT_EQ(ui.ask(bridge, R"({"id": 2, "method": "echo"})")["id"], 2);
  EXPECT_EQ(slow.wait_for(0s), std::future_status::timeout);
  go_on.set_value();
  EXPECT_EQ(slow.get()["result"], "late");
}

TEST(Bridge, RepliesComeOnTheThreadOfTheUserInterface) {
  UiThread ui;
  Bridge bridge(echo(), ui.post());
  std::promise<std::thread::id> replied;
  bridge.handle(R"({"id": 1, "method": "echo"})", [&](const std::string&) { replied.set_value(std::this_thread::get_id()); });
  EXPECT_EQ(replied.get_future().get(), ui.id());
}

TEST(Bridge, ItsEndCancelsWhatRunsAndDropsWhatWaits) {
  UiThread ui;
  std::promise<void> started;
  std::atomic<int> begun = 0;
  {
    Bridge bridge({{"endless",
                    [&](const json&, const std::atomic<bool>& cancelled) {
                      if (++begun == 1) started.set_value();
                      while (!cancelled) std::this_thread::yield();
                      return json();
                    }}},
                  ui.post());
    for (int i = 0; i < 32; ++i) bridge.handle(R"({"id": 1, "method": "endless"})", [](const std::string&) {});
    started.get_future().wait();
  }
  EXPECT_LT(begun, 32);
}

}  // namespace
}  // namespace mlxr::app
