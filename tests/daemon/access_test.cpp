#include "daemon/transport/access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/origins.h"

namespace mlxr::daemon {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

constexpr std::string_view kToken = "0123456789abcdef";
constexpr std::string_view kGood = "Bearer 0123456789abcdef";
const std::vector<std::string> kOrigins = {"http://localhost:3000", "app://obsidian.md", "vscode-webview://*"};

int status_of(Credentials given) {
  const auto refusal = check_access(given, kToken, kOrigins);
  return refusal ? refusal->status : 200;
}

TEST(Access, TheTokenOpens) {
  EXPECT_EQ(status_of({.host = "127.0.0.1:8080", .authorization = kGood}), 200);
  EXPECT_EQ(status_of({.host = "[::1]:8080", .origin = "http://localhost:3000", .authorization = kGood}), 200);
}

TEST(Access, NamesOfThisMachineHaveNoCaseAndMayEndWithADot) {
  EXPECT_EQ(status_of({.host = "LocalHost:8080", .authorization = kGood}), 200);
  EXPECT_EQ(status_of({.host = "localhost.", .authorization = kGood}), 200);
  EXPECT_EQ(status_of({.host = "localhost.:8080", .authorization = kGood}), 200);
  EXPECT_EQ(status_of({.host = "localhost..", .authorization = kGood}), 403);
}

TEST(Access, TheSchemeHasNoCase) {
  EXPECT_EQ(status_of({.host = "localhost", .authorization = "bearer 0123456789abcdef"}), 200);
  EXPECT_EQ(status_of({.host = "localhost", .authorization = "BEARER  0123456789abcdef"}), 200);
}

TEST(Access, WithoutTheTokenNothingOpens) {
  EXPECT_EQ(status_of({.host = "localhost"}), 401);
  EXPECT_EQ(status_of({.host = "localhost", .authorization = "Bearer"}), 401);
  EXPECT_EQ(status_of({.host = "localhost", .authorization = "Bearer "}), 401);
  EXPECT_EQ(status_of({.host = "localhost", .authorization = "Bearer 0123456789abcdee"}), 401);
  EXPECT_EQ(status_of({.host = "localhost", .authorization = "Bearer 0123456789abcdef0"}), 401);
  EXPECT_EQ(status_of({.host = "localhost", .authorization = "Basic 0123456789abcdef"}), 401);
  EXPECT_TRUE(check_access({.host = "localhost", .authorization = "Bearer x"}, "", {}));
}

TEST(Access, APageOfAnotherOriginIsRefusedEvenWithTheToken) {
  EXPECT_EQ(status_of({.host = "evil.example:8080", .authorization = kGood}), 403);
  EXPECT_EQ(status_of({.host = "localhost.evil.example", .authorization = kGood}), 403);
  EXPECT_EQ(status_of({.host = "", .authorization = kGood}), 403);
  EXPECT_EQ(status_of({.host = "localhost", .origin = "https://evil.example", .authorization = kGood}), 403);
  EXPECT_EQ(status_of({.host = "localhost", .origin = "http://localhost:3001", .authorization = kGood}), 403);
  EXPECT_EQ(status_of({.host = "localhost", .origin = "null", .authorization = kGood}), 403);
}

TEST(Access, ARefusedOriginIsToldWhichSettingAllowsIt) {
  const auto refusal = check_access({.host = "localhost", .origin = "app://other"}, kToken, kOrigins);
  ASSERT_TRUE(refusal);
  EXPECT_THAT(refusal->message, testing::AllOf(HasSubstr("app://other"), HasSubstr("`origins`")));
}

TEST(Access, APreflightOfAListedOriginNeedsNoToken) {
  EXPECT_EQ(status_of({.host = "localhost", .origin = "app://obsidian.md", .is_preflight = true}), 200);
  EXPECT_EQ(status_of({.host = "localhost", .origin = "https://evil.example", .is_preflight = true}), 403);
  EXPECT_EQ(status_of({.host = "localhost", .is_preflight = true}), 401);  // no browser sends that
}

TEST(Cors, AnAnswerNamesTheOriginThatMayReadIt) {
  EXPECT_THAT(cors_headers("app://obsidian.md"), Contains(Pair("Access-Control-Allow-Origin", "app://obsidian.md")));
  EXPECT_THAT(cors_headers("app://obsidian.md"), Contains(Pair("Vary", "Origin")));
  EXPECT_THAT(cors_headers(""), IsEmpty());
}

TEST(Cors, APreflightMaySendTheHeadersThatItNamed) {
  EXPECT_THAT(preflight_headers("authorization, x-stainless-os"),
              Contains(Pair("Access-Control-Allow-Headers", "authorization, x-stainless-os")));
  EXPECT_THAT(preflight_headers("a\r\nSet-Cookie: x"), Contains(Pair("Access-Control-Allow-Headers", "aSet-Cookie x")));
}

TEST(Origins, APatternIsAnOriginOrLeavesItsPortOrHostOpen) {
  for (const auto* good : {"http://localhost:3000", "https://example.org", "app://obsidian.md", "http://localhost:*", "vscode-webview://*",
                           "tauri://localhost"})
    EXPECT_TRUE(is_origin_pattern(good)) << good;
  for (const auto* bad :
       {"", "*", "null", "localhost", "http://", "http://*", "https://*", "http://*.example.org", "http://a/b", "http://a b", "://a"})
    EXPECT_FALSE(is_origin_pattern(bad)) << bad;
}

TEST(Origins, AStarStandsForAPortOrAHost) {
  EXPECT_TRUE(is_listed_origin("http://LOCALHOST:5173", {"http://localhost:*"}));
  EXPECT_FALSE(is_listed_origin("http://localhost:", {"http://localhost:*"}));
  EXPECT_FALSE(is_listed_origin("http://localhost.evil.example:1", {"http://localhost:*"}));
  EXPECT_TRUE(is_listed_origin("vscode-webview://0f3a", {"vscode-webview://*"}));
  EXPECT_FALSE(is_listed_origin("http://localhost:30000", {"http://localhost:3000"}));
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
