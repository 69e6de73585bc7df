#include "daemon/periodic.h"

#include <gtest/gtest.h>

#include <future>

namespace mlxr::daemon {
namespace {

TEST(Periodic, CallsAgainAndAgainUntilItEnds) {
  int calls = 0;
  std::promise<void> third;
  {
    const Periodic periodic(std::chrono::milliseconds(1), [&] {
      if (++calls == 3) third.set_value();
    });
    third.get_future().wait();
  }
  EXPECT_GE(calls, 3);  // read after the thread has ended
}

TEST(Periodic, EndsAtOnceHoweverLongTheInterval) {
  const Periodic periodic(std::chrono::hours(1), [] { FAIL(); });
}

}  // namespace
}  // namespace mlxr::daemon
