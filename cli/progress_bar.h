// The progress of a download: on a terminal one line that is redrawn, with the stage but not the item, which the user knows; otherwise a
// plain line every ten percent.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>

namespace mlxr::cli {

class ProgressBar {
 public:
  using Clock = std::chrono::steady_clock;

  struct State {
    std::string stage;  // "downloading"
    std::string item;   // what
    std::uint64_t done = 0;
    std::uint64_t total = 0;  // 0 when unknown
  };

  explicit ProgressBar(bool on_terminal) : on_terminal_(on_terminal) {}

  // The text to write for this state, which may be empty. It begins with a carriage return on a terminal, and ends with a new line
  // otherwise.
  std::string update(const State& state, Clock::time_point now, int width);
  // The text to write at the end, so that the next output begins on a new line.
  std::string finish();

 private:
  double bytes_per_second(const State& state, Clock::time_point now);
  std::string terminal_line(const State& state, double speed, int width) const;

  bool on_terminal_;
  bool drawn_ = false;
  std::string stage_and_item_;
  int last_tenth_ = -1;
  std::deque<std::pair<Clock::time_point, std::uint64_t>> samples_;  // of the last seconds, for the speed
};

}  // namespace mlxr::cli
