#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cwchar>

namespace mlxr::cli {
namespace {

int first_output_error = 0;

bool colors_on(int descriptor) {
  const char* no_color = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  return isatty(descriptor) == 1 && (no_color == nullptr || *no_color == '\0') &&
         (terminal == nullptr || std::string_view(terminal) != "dumb");
}

constexpr std::string_view kReset = "\033[0m";
constexpr std::pair<Style, std::string_view> kStyles[] = {{Style::kBold, "\033[1m"},
                                                          {Style::kDim, "\033[2m"},
                                                          {Style::kRed, "\033[31m"},
                                                          {Style::kGreen, "\033[32m"},
                                                          {Style::kYellow, "\033[33m"}};

std::string styled_for(int descriptor, Style style, std::string_view text) {
  if (!colors_on(descriptor)) return std::string(text);
  const auto* const found = std::ranges::find(kStyles, style, &std::pair<Style, std::string_view>::first);
  return std::string(found->second) + std::string(text) + std::string(kReset);
}

// The length of the style that the text begins with; 0 when it begins with none.
std::size_t style_at(std::string_view text) {
  if (text.starts_with(kReset)) return kReset.size();
  for (const auto& [style, code] : kStyles)
    if (text.starts_with(code)) return code.size();
  return 0;
}

std::string for_people(int descriptor, std::string_view text) {
  if (!colors_on(descriptor)) return TerminalFilter().clean(text);
  std::string out;
  while (!text.empty()) {
    auto end = text.find('\033');
    while (end != std::string_view::npos && style_at(text.substr(end)) == 0) end = text.find('\033', end + 1);
    out += TerminalFilter().clean(text.substr(0, end));
    if (end == std::string_view::npos) break;
    const auto length = style_at(text.substr(end));
    out += text.substr(end, length);
    text.remove_prefix(end + length);
  }
  return out;
}

}  // namespace

bool stdin_is_terminal() { return isatty(STDIN_FILENO) == 1; }
bool stdout_is_terminal() { return isatty(STDOUT_FILENO) == 1; }
bool stderr_is_terminal() { return isatty(STDERR_FILENO) == 1; }

int terminal_width() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

bool terminal_moves_cursor() {
  const char* terminal = std::getenv("TERM");
  return terminal != nullptr && *terminal != '\0' && std::string_view(terminal) != "dumb";
}

int text_width() { return std::min(terminal_width(), 100); }

int display_width(std::string_view text) {
  int width = 0;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    wchar_t character = static_cast<wchar_t>(length == 1 ? lead : lead & (0x7F >> length));
    for (std::size_t k = 1; k < length && i + k < text.size(); ++k) {
      character = static_cast<wchar_t>((character << 6) | (static_cast<unsigned char>(text[i + k]) & 0x3F));
    }
    const int columns = wcwidth(character);
    width += columns < 0 ? 1 : columns;
    i += length;
  }
  return width;
}

std::string wrapped(std::string_view text, int width, int indent) {
  std::string out;
  int column = 0;  // 0: the line is empty
  while (true) {
    const std::size_t begin = text.find_first_not_of(' ');
    if (begin == std::string_view::npos) return column > 0 ? out + "\n" : out;
    const std::string_view word = text.substr(begin, text.find(' ', begin) - begin);
    text.remove_prefix(begin + word.size());
    const int columns = display_width(word);
    if (column > 0 && column + 1 + columns > width) {
      out += '\n';
      column = 0;
    }
    out += column == 0 ? std::string(static_cast<std::size_t>(indent), ' ') : " ";
    column += columns + (column == 0 ? indent : 1);
    out += word;
  }
}

std::string columns(const std::vector<std::pair<std::string, std::string>>& rows, int width) {
  constexpr int kWidestName = 22;  // a longer name has its own line, above its description
  int names = 0;
  for (const auto& [name, text] : rows)
    if (display_width(name) <= kWidestName) names = std::max(names, display_width(name));
  const int indent = 2 + names + 2;
  std::string out;
  for (const auto& [name, text] : rows) {
    const std::string paragraph = wrapped(text, width, indent);
    const int gap = names - display_width(name) + 2;
    if (paragraph.empty()) {
      out += "  " + name + "\n";
    } else if (gap < 2) {
      out += "  " + name + "\n" + paragraph;
    } else {
      out += "  " + name + std::string(static_cast<std::size_t>(gap), ' ') + paragraph.substr(static_cast<std::size_t>(indent));
    }
  }
  return out;
}

std::string styled(Style style, std::string_view text) { return styled_for(STDOUT_FILENO, style, text); }
std::string styled_error(Style style, std::string_view text) { return styled_for(STDERR_FILENO, style, text); }

bool write_out(std::string_view text) { return write_out_raw(for_people(STDOUT_FILENO, text)); }

bool write_out_raw(std::string_view data) {
  if (std::fwrite(data.data(), 1, data.size(), stdout) == data.size() && std::fflush(stdout) == 0) return true;
  if (first_output_error == 0) first_output_error = errno;
  return false;
}

int output_error() { return first_output_error; }

void say(std::string_view text) { draw(for_people(STDERR_FILENO, text)); }

void draw(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

void complain(std::string_view sentence) { say(styled_error(Style::kRed, "mlx:") + " " + std::string(sentence) + "\n"); }

std::string TerminalFilter::clean(std::string_view piece) {
  std::string out;
  out.reserve(piece.size());
  for (const char c : piece) {
    const auto byte = static_cast<unsigned char>(c);
    if (pending_c2_) {
      pending_c2_ = false;
      if (byte >= 0x80 && byte < 0xA0) {  // U+0080 to U+009F: one-character forms of escape sequences
        if (byte == 0x9B) state_ = State::kSequence;
        if (byte == 0x90 || byte == 0x98 || byte == 0x9D || byte == 0x9E || byte == 0x9F) state_ = State::kString;
        continue;
      }
      if (state_ == State::kText) out += '\xC2';
    }
    if (c == '\n') state_ = State::kText;  // an unfinished sequence ends at the end of the line
    switch (state_) {
      case State::kText:
        if (byte == 0x1B) {
          state_ = State::kEscape;
        } else if (byte == 0xC2) {
          pending_c2_ = true;
        } else if (c == '\n' || c == '\t' || (byte >= 0x20 && byte != 0x7F)) {
          out += c;
        }
        break;
      case State::kEscape:
        if (c == '[') {
          state_ = State::kSequence;
        } else if (c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_') {
          state_ = State::kString;
        } else if (byte < 0x20 || byte > 0x2F) {
          state_ = State::kText;
        }
        break;
      case State::kSequence:
        if (byte >= 0x40 && byte <= 0x7E) state_ = State::kText;
        break;
      case State::kString:
        if (byte == 0x07) state_ = State::kText;
        if (byte == 0x1B) state_ = State::kStringEscape;
        break;
      case State::kStringEscape: state_ = State::kText; break;
    }
  }
  return out;
}

bool ask_yes_no(std::string_view question) {
  std::fprintf(stderr, "%.*s [y/N] ", static_cast<int>(question.size()), question.data());
  std::fflush(stderr);
  std::string answer;
  for (char c = 0; read(STDIN_FILENO, &c, 1) == 1 && c != '\n';) answer += c;
  return answer == "y" || answer == "Y" || answer == "yes" || answer == "Yes" || answer == "YES";
}

}  // namespace mlxr::cli
