// The main function of every GoogleTest program. Unlike GoogleTest's own it tells ctest when nothing was tested: if all tests that ran were
// skipped, the exit status is kSkipped, which cmake/testing.cmake names as SKIP_RETURN_CODE. A failure always comes first.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {
constexpr int kSkipped = 77;
}

int main(int argc, char** argv) {
  ::testing::InitGoogleMock(&argc, argv);
  if (const int failed = RUN_ALL_TESTS(); failed != 0) return failed;
  const auto& tests = *::testing::UnitTest::GetInstance();
  return tests.skipped_test_count() > 0 && tests.successful_test_count() == 0 ? kSkipped : 0;
}
