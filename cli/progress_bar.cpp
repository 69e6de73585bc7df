#include "cli/progress_bar.h"

#include <algorithm>

#include "cli/format.h"
#include "cli/terminal.h"

namespace mlxr::cli {
namespace {

constexpr auto kSpeedWindow = std::chrono::seconds(5);
constexpr std::size_t kLongestStage = 11;  // "downloading"
constexpr int kBesideTheBar = 64;          // columns for the stage and all figures
constexpr int kFewestCells = 8;
constexpr int kMostCells = 30;

std::string padded_right(std::string text, std::size_t width) {
  if (text.size() < width) text.resize(width, ' ');
  return text;
}

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
  // Text of variable length comes after the bar, so that the bar keeps its position and size.
  std::string line = padded_right(state.stage, kLongestStage);
  if (state.total > 0) {
    const int percent = percent_of(state);
    const int cells = std::min(width - kBesideTheBar, kMostCells);
    if (cells >= kFewestCells) {
      const auto full = static_cast<std::size_t>(cells * percent / 100);
      line += "  [" + padded_right(std::string(full, '#'), static_cast<std::size_t>(cells)) + "]";
    }
    const std::string number = std::to_string(percent);
    line += "  " + std::string(3 - number.size(), ' ') + number + "%  " + format_bytes(state.done) + " of " + format_bytes(state.total);
  } else {
    line += "  " + format_bytes(state.done);
  }
  if (speed > 0) {
    line += "  " + format_bytes(static_cast<std::uint64_t>(speed)) + "/s";
    if (state.done < state.total) line += "  " + format_duration(static_cast<double>(state.total - state.done) / speed) + " left";
  }
  return fitting(std::move(line), width);
}

std::string ProgressBar::update(const State& state, Clock::time_point now, int width) {
  const std::string what = state.stage + " " + state.item;
  if (what != stage_and_item_) {
    stage_and_item_ = what;
    samples_.clear();
    last_tenth_ = -1;
  }
  const double speed = bytes_per_second(state, now);
  if (on_terminal_) {
    drawn_ = true;
    return "\r" + terminal_line(state, speed, width) + "\033[K";
  }
  const int tenth = percent_of(state) / 10;
  if (tenth == last_tenth_) return "";
  last_tenth_ = tenth;
  std::string out = TerminalFilter().clean(what);
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
