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

}  // namespace
}  // namespace mlxr
