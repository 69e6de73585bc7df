#include "cli/daemon_log.h"

#include <gtest/gtest.h>

#include <fstream>

namespace mlxr::cli {
namespace {

class Log : public testing::Test {
 protected:
  std::string last(const std::string& text, std::size_t lines) {
    std::ofstream(file_, std::ios::binary) << text;
    return last_lines(file_, lines).value();
  }

  std::filesystem::path file_ = std::filesystem::path(testing::TempDir()) / "daemon_log_test.log";
};

TEST_F(Log, LastLines) {
  EXPECT_EQ(last("one\ntwo\nthree\n", 2), "two\nthree\n");
  EXPECT_EQ(last("one\ntwo\nthree", 2), "two\nthree");
  EXPECT_EQ(last("one\ntwo\n", 5), "one\ntwo\n");
  EXPECT_EQ(last("", 5), "");
  EXPECT_EQ(last("\n\n\n", 2), "\n\n");
}

TEST_F(Log, LinesThatAreLongerThanABlock) {
  const std::string line(200'000, 'x');
  EXPECT_EQ(last("first\n" + line + "\nlast\n", 2), line + "\nlast\n");
}

TEST_F(Log, AMissingFileIsNamed) {
  const auto missing = last_lines("/nonexistent/mlxrunnerd.log", 1);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_NE(missing.error().message.find("/nonexistent/mlxrunnerd.log"), std::string::npos);
}

}  // namespace
}  // namespace mlxr::cli
