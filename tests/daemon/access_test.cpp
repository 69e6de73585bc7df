#include "daemon/transport/access.h"

#include <gtest/gtest.h>

namespace mlxr::daemon {
namespace {

constexpr std::string_view kToken = "0123456789abcdef";
constexpr std::string_view kGood = "Bearer 0123456789abcdef";

int status_of(Credentials given) {
  const auto refusal = check_access(given, kToken);
  return refusal ? refusal->status : 200;
}

TEST(Access, TheTokenOpens) {
  EXPECT_EQ(status_of({.host = "127.0.0.1:8080", .authorization = kGood}), 200);
  EXPECT_EQ(status_of({.host = "[::1]:8080", .origin = "http://localhost:3000", .authorization = kGood}), 200);
}

TEST(Access, WithoutTheTokenNothingOpens) {
  EXPECT_EQ(status_of({.host = "localhost"}), 401);
  EXPECT_EQ(status_of({.host = "localhost", .authorization = "Bearer 0123456789abcdee"}), 401);
  EXPECT_EQ(status_of({.host = "localhost", .authorization = "Bearer 0123456789abcdef0"}), 401);
  EXPECT_EQ(status_of({.host = "localhost", .authorization = "Basic 0123456789abcdef"}), 401);
  EXPECT_TRUE(check_access({.host = "localhost", .authorization = "Bearer x"}, ""));
}

TEST(Access, APageOfAnotherOriginIsRefusedEvenWithTheToken) {
  EXPECT_EQ(status_of({.host = "evil.example:8080", .authorization = kGood}), 403);
  EXPECT_EQ(status_of({.host = "localhost.evil.example", .authorization = kGood}), 403);
  EXPECT_EQ(status_of({.host = "", .authorization = kGood}), 403);
  EXPECT_EQ(status_of({.host = "localhost", .origin = "https://evil.example", .authorization = kGood}), 403);
  EXPECT_EQ(status_of({.host = "localhost", .origin = "null", .authorization = kGood}), 403);
}

TEST(ConstantTime, ComparesLikeEquality) {
  EXPECT_TRUE(equal_in_constant_time("abc", "abc"));
  EXPECT_TRUE(equal_in_constant_time("", ""));
  EXPECT_FALSE(equal_in_constant_time("abc", "abd"));
  EXPECT_FALSE(equal_in_constant_time("abc", "abcd"));
  EXPECT_FALSE(equal_in_constant_time("abc", ""));
}

}  // namespace
}  // namespace mlxr::daemon
