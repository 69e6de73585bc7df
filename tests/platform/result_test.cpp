#include <gtest/gtest.h>
#include <mlxrunner/result.h>

namespace mlxr {
namespace {

Result<int> half(int n) {
  if (n % 2 != 0) return fail(ErrorCode::kInvalidArgument, "the number is odd");
  return n / 2;
}

TEST(Result, HoldsAValueOrAnErrorWithASentence) {
  EXPECT_EQ(half(4).value(), 2);
  ASSERT_FALSE(half(3));
  EXPECT_EQ(half(3).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(half(3).error().message, "the number is odd");
}

TEST(Result, EveryCodeHasAName) {
  EXPECT_EQ(error_code_name(ErrorCode::kContextExceeded), "context_exceeded");
  EXPECT_EQ(error_code_name(ErrorCode::kInternal), "internal");
}

TEST(Result, AnErrorSurvivesItsName) {
  for (int i = 0; i <= static_cast<int>(ErrorCode::kInternal); ++i) {
    const auto code = static_cast<ErrorCode>(i);
    EXPECT_EQ(error_code_from_name(error_code_name(code)), code);
  }
  EXPECT_EQ(error_code_from_name("out_of_range"), std::nullopt);
}

}  // namespace
}  // namespace mlxr
