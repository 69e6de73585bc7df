#include "cli/progress_bar.h"

#include <algorithm>

#include "cli/format.h"
#include "cli/terminal.h"

namespace mlxr::cli {
namespace {

constexpr auto kSpeedWindow = std::chrono::seconds(5);

int percent_of(const ProgressBar::State& state) {
  if (state.total == 0) return 0;
  return static_cast<int>(100.0 * static_cast<double>(std::min(state.done, state.total)) / static_cast<double>(state.total));
}

// Leaves out figures from the end (they stand two spaces apart) until the line is shorter than the terminal is wide.
std::string fitting(std::string line, int width) {
  while (display_width(line) >= width) {
    const std::size_t gap = line.rfind("  ");
    if (gap == std::string::npos) break;
    line.resize(gap);
  }
  return line;
}

}  // namespace

double ProgressBar::bytes_per_second(const State& state, Clock::time_point now) {
  if (!samples_.empty() && state.done < samples_.back().second) samples_.clear();
  samples_.emplace_back(now, state.done);
  while (samples_.size() > 2 && now - samples_.front().first > kSpeedWindow) samples_.pop_front();
  const double seconds = std::chrono::duration<double>(now - samples_.front().first).count();
  return seconds > 0 ? static_cast<double>(state.done - samples_.front().second) / seconds : 0;
}

std::string ProgressBar::terminal_line(const State& state, double speed, int width) const {
  const std::string head = state.stage + " " + state.item;
  std::string tail;
  if (state.total > 0) {
    tail = "  " + format_bytes(state.done) + " of " + format_bytes(state.total);
    if (speed > 0) {
      tail += "  " + format_bytes(static_cast<std::uint64_t>(speed)) + "/s";
      const double left = static_cast<double>(state.total - std::min(state.done, state.total)) / speed;
      if (state.done < state.total) tail += "  " + format_duration(left) + " left";
    }
    const int percent = percent_of(state);
    const std::string number = std::to_string(percent) + "%";
    const int room = width - 1 - display_width(head) - display_width(tail) - static_cast<int>(number.size()) - 5;
    if (room >= 8) {
      const int cells = std::min(room, 30);
      const int full = cells * percent / 100;
      return head + "  [" + std::string(full, '#') + std::string(cells - full, ' ') + "] " + number + tail;
    }
    return fitting(number + tail, width);
  }
  tail = "  " + format_bytes(state.done);
  if (speed > 0) tail += "  " + format_bytes(static_cast<std::uint64_t>(speed)) + "/s";
  return display_width(head + tail) < width ? head + tail : fitting(tail.substr(2), width);
}

std::string ProgressBar::update(const State& state, Clock::time_point now, int width) {
  std::string out;
  const std::string what = state.stage + " " + state.item;
  if (what != stage_and_item_) {
    out = finish();
    stage_and_item_ = what;
    samples_.clear();
    last_tenth_ = -1;
  }
  const double speed = bytes_per_second(state, now);
  if (on_terminal_) {
    drawn_ = true;
    return out + "\r" + terminal_line(state, speed, width) + "\033[K";
  }
  const int tenth = percent_of(state) / 10;
  if (tenth == last_tenth_) return out;
  last_tenth_ = tenth;
  out += what;
  if (state.total > 0) {
    out += ": " + std::to_string(percent_of(state)) + "% of " + format_bytes(state.total);
    if (speed > 0) out += ", " + format_bytes(static_cast<std::uint64_t>(speed)) + "/s";
  }
  return out + "\n";
}

std::string ProgressBar::finish() {
  if (!drawn_) return "";
  drawn_ = false;
  return "\n";
}

}  // namespace mlxr::cli
