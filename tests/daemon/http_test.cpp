#include "daemon/transport/http.h"

#include <gtest/gtest.h>

namespace mlxr::daemon {
namespace {

TEST(ParseTarget, DecodesPathAndQuery) {
  std::string path;
  std::map<std::string, std::string> query;
  ASSERT_TRUE(parse_target("/v1/models/smollm2%3A135m?model=a+b&x=%26&flag", path, query));
  EXPECT_EQ(path, "/v1/models/smollm2:135m");
  EXPECT_EQ(query, (std::map<std::string, std::string>{{"model", "a b"}, {"x", "&"}, {"flag", ""}}));
}

TEST(ParseTarget, RefusesBrokenEscapesAndForeignForms) {
  std::string path;
  std::map<std::string, std::string> query;
  for (const auto* target : {"", "*", "http://other/", "/%", "/%4", "/%zz", "/a?x=%1"})
    EXPECT_FALSE(parse_target(target, path, query)) << target;
}

}  // namespace
}  // namespace mlxr::daemon
