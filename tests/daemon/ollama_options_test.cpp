#include "daemon/routes/ollama/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/routes/generation.h"

namespace mlxr::daemon::ollama {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Options, DefaultsAreOllamas) {
  const auto options = read_options(json::object());
  ASSERT_TRUE(options);
  const auto& sampling = options->request.sampling;
  EXPECT_FLOAT_EQ(sampling.temperature, 0.8f);
  EXPECT_EQ(sampling.top_k, 40);
  EXPECT_FLOAT_EQ(sampling.top_p, 0.9f);
  EXPECT_EQ(sampling.repeat_last_n, 64);
  EXPECT_FLOAT_EQ(sampling.repeat_penalty, 1.0f);
  EXPECT_EQ(options->request.max_tokens, -1);
}

TEST(Options, AWrongTypeIsToldInOllamasWords) {
  EXPECT_EQ(read_options(json{{"top_k", "many"}}).error().message, "option \"top_k\" must be of type integer");
  EXPECT_EQ(read_options(json{{"num_gpu", "all"}}).error().message, "option \"num_gpu\" must be of type integer");
}

TEST(Options, AnUnknownOptionIsAWarning) {
  const auto options = read_options(json{{"sparkle", 1}, {"num_gpu", 3}});
  ASSERT_TRUE(options);
  EXPECT_THAT(options->warnings, ElementsAre("option num_gpu has no effect in MLXR", "unknown option sparkle"));
}

TEST(Options, AWarningCannotEndItsHeader) {
  const auto options = read_options(json{{"a\"\r\nSet-Cookie: x", 1}});
  ASSERT_TRUE(options);
  EXPECT_THAT(warning_headers(options->warnings),
              ElementsAre(std::pair<std::string, std::string>("Warning", "199 mlxr \"unknown option aSet-Cookie: x\"")));
}

TEST(Options, WithoutALimitAnAnswerGoesToTheEnd) {
  for (const int none : {0, -1, -2}) EXPECT_EQ(read_options(json{{"num_predict", none}})->request.max_tokens, -1);
  EXPECT_EQ(read_options(json{{"num_predict", 3000000000}})->request.max_tokens, std::numeric_limits<int>::max());
}

TEST(Options, AContextBelowOneIsTheConfiguredOne) {
  for (const int none : {0, -1}) EXPECT_EQ(read_options(json{{"num_ctx", none}})->context, 0);
}

TEST(Tools, ThoseThatNobodyCouldRunHereAreLeftOutWithAWarning) {
  std::vector<std::string> warnings;
  EXPECT_TRUE(read_tools(json::parse(R"({"tools":[{"type":"web_search"}]})"), warnings));
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("web_search")));
  EXPECT_EQ(read_tools(json::parse(R"({"tools":[{"type":"web_search"},{"type":"function"}]})"), warnings).error().code,
            "unsupported_parameter");
  EXPECT_EQ(read_tools(json::parse(R"({"tools":[{}]})"), warnings).error().field, "tools");
}

TEST(Options, SeedMinusOneIsRandom) {
  EXPECT_EQ(read_options(json{{"seed", -1}})->request.sampling.seed, std::nullopt);
  EXPECT_EQ(read_options(json{{"seed", 7}})->request.sampling.seed, 7u);
}

TEST(KeepAlive, IsSecondsOrADuration) {
  using namespace std::chrono_literals;
  EXPECT_EQ(*read_keep_alive(json{{"keep_alive", 0}}), Duration(0));
  EXPECT_EQ(*read_keep_alive(json{{"keep_alive", "10m"}}), Duration(10min));
  EXPECT_EQ(*read_keep_alive(json{{"keep_alive", -1}}), kForever);
  EXPECT_EQ(*read_keep_alive(json::object()), std::nullopt);
  EXPECT_EQ(read_keep_alive(json{{"keep_alive", "soon"}}).error().field, "keep_alive");
}

}  // namespace
}  // namespace mlxr::daemon::ollama
