#include "core/formats/sampling_advice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace mlxr::formats {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

SamplingAdvice advice(std::initializer_list<std::pair<const char*, Value>> keys) {
  Metadata metadata;
  for (const auto& [name, value] : keys) metadata.insert(std::string("general.sampling.") + name, value);
  return read_sampling_advice(metadata);
}

TEST(SamplingAdvice, IsWhatTheFileSays) {
  const auto all = advice({{"temp", 0.75},
                           {"top_k", std::int64_t{20}},
                           {"top_p", 0.5},
                           {"min_p", std::int64_t{0}},
                           {"penalty_repeat", 1.25},
                           {"penalty_last_n", std::int64_t{-1}}});
  EXPECT_EQ(all.values.temperature, 0.75f);
  EXPECT_EQ(all.values.top_k, 20);
  EXPECT_EQ(all.values.top_p, 0.5f);
  EXPECT_EQ(all.values.min_p, 0.0f);
  EXPECT_EQ(all.values.repeat_penalty, 1.25f);
  EXPECT_EQ(all.values.repeat_last_n, -1);
  EXPECT_THAT(all.ignored, IsEmpty());
}

TEST(SamplingAdvice, IsEmptyWhereTheFileSaysNothing) {
  const auto none = advice({});
  EXPECT_FALSE(none.values.temperature || none.values.top_k || none.values.top_p || none.values.min_p || none.values.repeat_penalty);
  EXPECT_THAT(none.ignored, IsEmpty());
}

TEST(SamplingAdvice, MinusOneIsAllTokens) { EXPECT_EQ(advice({{"top_k", std::int64_t{-1}}}).values.top_k, 0); }

TEST(SamplingAdvice, WhatIsOutOfRangeIsNamedAndIgnored) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  const auto bad = advice({{"temp", -0.5},
                           {"top_k", std::int64_t{1} << 40},
                           {"top_p", kNaN},
                           {"min_p", std::string_view("0.1")},
                           {"penalty_repeat", 0.0},
                           {"penalty_last_n", 1.5}});
  EXPECT_FALSE(bad.values.temperature || bad.values.top_k || bad.values.top_p || bad.values.min_p || bad.values.repeat_penalty ||
               bad.values.repeat_last_n);
  EXPECT_THAT(bad.ignored, ElementsAre("general.sampling.temp", "general.sampling.top_k", "general.sampling.top_p",
                                       "general.sampling.min_p", "general.sampling.penalty_repeat", "general.sampling.penalty_last_n"));
}

TEST(SamplingAdvice, WaysOfSamplingThatMlxrDoesNotHaveAreNamed) {
  EXPECT_THAT(advice({{"mirostat", std::int64_t{2}}, {"xtc_probability", 0.5}, {"sequence", std::string_view("top_k;temp")}}).ignored,
              ElementsAre("general.sampling.mirostat", "general.sampling.xtc_probability", "general.sampling.sequence"));
  EXPECT_THAT(advice({{"mirostat", std::int64_t{0}}, {"xtc_probability", 0.0}}).ignored, IsEmpty());
}

}  // namespace
}  // namespace mlxr::formats
