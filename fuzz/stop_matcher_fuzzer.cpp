// A few stop strings, and a text in any pieces: the result is that of a search in the whole text, however it is cut.
#include <fuzzer/FuzzedDataProvider.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "core/decode/stop_matcher.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider in(data, size);
  std::vector<std::string> stops(in.ConsumeIntegralInRange<std::size_t>(1, 5));
  for (auto& stop : stops) stop = "x" + in.ConsumeRandomLengthString(20);
  for (auto& stop : stops)
    if (in.ConsumeBool() && stop.size() > 1) stop.erase(0, 1);
  mlxr::decode::StopMatcher matcher(stops);
  std::string text, shown;
  while (in.remaining_bytes() > 0 && !matcher.matched()) {
    const std::string piece = in.ConsumeRandomLengthString(8);
    text += piece;
    shown += matcher.feed(piece);
  }
  if (!matcher.matched()) shown += matcher.finish();

  std::size_t first = text.size();
  const std::string* winner = nullptr;
  for (const auto& stop : stops) {
    const std::size_t at = text.find(stop);
    if (at < first) first = at, winner = &stop;
  }
  require(shown == text.substr(0, first));
  require(winner != nullptr ? matcher.matched() == *winner : !matcher.matched());
  return 0;
}
