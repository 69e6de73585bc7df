// Properties of the terminal, and safe output to it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mlxr::cli {

bool stdin_is_terminal();
bool stdout_is_terminal();
bool stderr_is_terminal();
int terminal_width();          // columns of the terminal on stderr; 80 when it does not say
bool terminal_moves_cursor();  // false for TERM=dumb, and without TERM
int text_width();              // columns for paragraphs: those of the terminal, at most 100

// Columns that UTF-8 text takes on a terminal: wide characters count two, combining ones none.
int display_width(std::string_view text);

// The text in lines of at most `width` columns (a longer word has its own line), each indented by `indent` spaces and ended by a new line.
std::string wrapped(std::string_view text, int width, int indent = 0);

// Names on the left and descriptions on the right. Descriptions are wrapped at `width` columns, with a hanging indent.
std::string columns(const std::vector<std::pair<std::string, std::string>>& rows, int width);

enum class Style { kBold, kDim, kRed, kGreen, kYellow };
// The text in a style when stdout (or stderr) is a terminal and NO_COLOR is not set, else unchanged.
std::string styled(Style style, std::string_view text);
std::string styled_error(Style style, std::string_view text);

// Text for people goes out without what could command a terminal, except the styles above where they are on: names, paths and error
// messages can hold anything. All of these flush.

// Writes text to stdout. False when that fails; main reports it, so callers only need it to stop early.
bool write_out(std::string_view text);
// The same for what must not be changed, such as JSON and a model's answer into a pipe, and for text that a TerminalFilter has cleaned.
bool write_out_raw(std::string_view data);
int output_error();  // errno of the first write to stdout that failed, 0 when none did

// Writes text to stderr.
void say(std::string_view text);
// The same for what moves the cursor, such as a progress bar.
void draw(std::string_view text);
// Writes "mlx: SENTENCE" to stderr.
void complain(std::string_view sentence);

// Removes escape sequences and control characters (colors, titles, cursor moves, clipboard writes) from text that arrives in pieces. A
// model's answer is not trusted: it can quote a web page. New lines and tabs stay.
class TerminalFilter {
 public:
  std::string clean(std::string_view piece);

 private:
  enum class State : std::uint8_t { kText, kEscape, kSequence, kString, kStringEscape };
  State state_ = State::kText;
  bool pending_c2_ = false;  // the first byte of U+0080 to U+00BF was the last of a piece
};

// Asks on the terminal. Every answer other than yes counts as no.
bool ask_yes_no(std::string_view question);

}  // namespace mlxr::cli
