#include "cli/parameters.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace mlxr::cli {
namespace {

TEST(Parameters, BecomeTheDaemonsOptions) {
  Parameters parameters;
  EXPECT_TRUE(parameters.set("temperature", "0.25"));
  EXPECT_TRUE(parameters.set("max_tokens", "64"));
  EXPECT_TRUE(parameters.set("ctx", "4096"));
  EXPECT_TRUE(parameters.set("seed", "9007199254740991"));
  EXPECT_TRUE(parameters.set("stop", "###"));
  EXPECT_TRUE(parameters.set("system", "Be brief."));
  const nlohmann::json expected{
      {"temperature", 0.25}, {"num_predict", 64}, {"num_ctx", 4096}, {"seed", 9007199254740991}, {"stop", {"###"}}};
  EXPECT_EQ(to_options(parameters), expected);
  EXPECT_TRUE(to_options(parameters)["num_predict"].is_number_integer());
  EXPECT_EQ(parameters.system, "Be brief.");
}

TEST(Parameters, NothingSetIsNothingSent) { EXPECT_EQ(to_options({}), nlohmann::json::object()); }

TEST(Parameters, StopWithoutTextRemovesAll) {
  Parameters parameters;
  EXPECT_TRUE(parameters.set("stop", "a"));
  EXPECT_TRUE(parameters.set("stop", ""));
  EXPECT_TRUE(parameters.stop.empty());
}

TEST(Parameters, RefusesWhatIsNoValue) {
  Parameters parameters;
  for (const auto& [name, value] : {std::pair{"temperature", "warm"},
                                    {"temperature", "2.5"},
                                    {"temperature", "-1"},
                                    {"temperature", ""},
                                    {"temperature", "nan"},
                                    {"top_k", "1.5"},
                                    {"top_p", "1.01"},
                                    {"max_tokens", "0"},
                                    {"seed", "1e300"},
                                    {"seed", "12x"}}) {
    auto set = parameters.set(name, value);
    ASSERT_FALSE(set) << name << " " << value;
    EXPECT_EQ(set.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(set.error().message.find("'" + std::string(value) + "' is not a "), std::string::npos);  // who asked knows the name
  }
  EXPECT_TRUE(parameters.numbers.empty());
}

TEST(Parameters, AnUnknownNameIsAnsweredWithTheKnownOnes) {
  Parameters parameters;
  auto set = parameters.set("temprature", "1");
  ASSERT_FALSE(set);
  EXPECT_NE(set.error().message.find("temperature"), std::string::npos);
}

}  // namespace
}  // namespace mlxr::cli
