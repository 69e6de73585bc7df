#include "cli/line_reader.h"

#include <histedit.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cwchar>
#include <optional>
#include <string_view>
#include <vector>

#include "cli/history_file.h"
#include "cli/interrupt.h"
#include "cli/terminal.h"
#include "cli/terminal_input.h"

namespace mlxr::cli {
namespace {

// A longer paste is displayed as a placeholder, such as "[paste 1: 30 lines]".
constexpr std::size_t kShownLines = 6;
constexpr std::size_t kShownBytes = 1000;
constexpr std::size_t kLongestPaste = 16UL * 1024 * 1024;  // characters
constexpr std::wstring_view kPasteEnd = L"\033[201~";

constexpr char kPasteOn[] = "\033[?2004h";
constexpr char kPasteOff[] = "\033[?2004l";

void send_to_terminal(const char* sequence) {
  std::fputs(sequence, stdout);
  std::fflush(stdout);
}

// In the locale's encoding, which main has made UTF-8.
std::string to_bytes(std::wstring_view text) {
  std::string out;
  std::mbstate_t state{};
  std::array<char, MB_LEN_MAX> bytes{};
  for (const wchar_t c : text) {
    const std::size_t count = std::wcrtomb(bytes.data(), c, &state);
    if (count != static_cast<std::size_t>(-1)) out.append(bytes.data(), count);
  }
  return out;
}

// Line breaks as \n, without other control characters than tabs, and without the line breaks at the end.
std::wstring cleaned(std::wstring_view pasted) {
  std::wstring text;
  for (std::size_t i = 0; i < pasted.size(); ++i) {
    const wchar_t c = pasted[i];
    if (c == L'\r' && i + 1 < pasted.size() && pasted[i + 1] == L'\n') continue;
    if (c == L'\r') {
      text += L'\n';
    } else if (c == L'\n' || c == L'\t' || (c >= 0x20 && c != 0x7F)) {
      text += c;
    }
  }
  while (text.ends_with(L'\n')) text.pop_back();
  return text;
}

// How many rows of the screen lie between the beginning of the prompt and the cursor.
int rows_above_cursor(const std::string& prompt, std::string_view before_cursor, int columns) {
  int column = display_width(prompt);
  int rows = 0;
  std::mbstate_t state{};
  while (!before_cursor.empty()) {
    wchar_t c = 0;
    const std::size_t length = std::mbrtowc(&c, before_cursor.data(), before_cursor.size(), &state);
    if (length == 0 || length > before_cursor.size()) break;  // not UTF-8
    before_cursor.remove_prefix(length);
    const int width = c == L'\t' ? 8 - column % 8 : std::max(0, wcwidth(c));
    if (c == L'\n' || column + width > columns) {
      ++rows;
      column = 0;
    }
    if (c != L'\n') column += width;
  }
  return column == columns ? rows + 1 : rows;
}

}  // namespace

struct LineReader::State {
  EditLine* editor = nullptr;
  History* history = nullptr;
  std::filesystem::path file;
  std::string prompt;
  std::optional<TerminalInput> input;  // while a line is read
  bool can_paste = false;
  std::vector<std::pair<std::string, std::string>> pastes;  // of this line: placeholder and text

  static State& of(EditLine* editor) {
    void* self = nullptr;
    el_get(editor, EL_CLIENTDATA, &self);
    return *static_cast<State*>(self);
  }

  static const char* show_prompt(EditLine* editor) { return of(editor).prompt.c_str(); }

  // libedit's function for the next character: 1, 0 at the end of input, -1 after Ctrl-C.
  static int next_character(EditLine* editor, wchar_t* character) {
    State& self = of(editor);
    while (true) {
      switch (self.input->next(*character)) {
        case TerminalInput::Event::kCharacter: return 1;
        case TerminalInput::Event::kEnd: return 0;
        case TerminalInput::Event::kInterrupted: errno = EINTR; return -1;
        case TerminalInput::Event::kStop:
          self.leave();
          el_set(editor, EL_PREP_TERM, 0);
          TerminalInput::stop_this_process();
          self.come_back();
          break;
        case TerminalInput::Event::kContinued: self.come_back(); break;
        case TerminalInput::Event::kResized: self.resize(); break;
      }
    }
  }

  // libedit's function for the key that begins a paste.
  static unsigned char paste(EditLine* editor, wint_t) {
    std::wstring pasted;
    for (wchar_t c = 0; pasted.size() < kLongestPaste && next_character(editor, &c) == 1;) {
      pasted += c;
      if (!pasted.ends_with(kPasteEnd)) continue;
      pasted.resize(pasted.size() - kPasteEnd.size());
      break;
    }
    std::string text = to_bytes(cleaned(pasted));
    const auto lines = static_cast<std::size_t>(std::ranges::count(text, '\n')) + 1;
    if (lines > kShownLines || text.size() > kShownBytes) text = of(editor).stand_in_for(text, lines);
    if (!text.empty()) el_insertstr(editor, text.c_str());
    return CC_REFRESH;
  }

  std::string stand_in_for(const std::string& text, std::size_t lines) {
    const std::string word =
        "[paste " + std::to_string(pastes.size() + 1) + ": " + std::to_string(lines) + (lines == 1 ? " line]" : " lines]");
    pastes.emplace_back(word, text);
    return word;
  }

  std::string with_pastes(std::string line) {
    for (const auto& [word, text] : pastes) {
      if (const std::size_t at = line.find(word); at != std::string::npos) line.replace(at, word.size(), text);
    }
    pastes.clear();
    return line;
  }

  void leave() const {
    if (can_paste) send_to_terminal(kPasteOff);
  }

  void come_back() const {
    el_set(editor, EL_PREP_TERM, 1);
    if (can_paste) send_to_terminal(kPasteOn);
    send_to_terminal("\r\033[J");
    el_set(editor, EL_REFRESH);
  }

  // After a resize the terminal has rewrapped the text; the prompt is redrawn at its new position.
  void resize() const {
    el_resize(editor);
    const LineInfo* line = el_line(editor);
    const std::string_view before(line->buffer, static_cast<std::size_t>(line->cursor - line->buffer));
    const int rows = rows_above_cursor(prompt, before, terminal_width());
    const std::string up = rows > 0 ? "\033[" + std::to_string(rows) + "A" : "";
    send_to_terminal((up + "\r\033[J").c_str());
    el_set(editor, EL_REFRESH);
  }
};

LineReader::LineReader(std::filesystem::path history_file) : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.file = std::move(history_file);
  s.can_paste = terminal_moves_cursor();
  s.editor = el_init("mlx", stdin, stdout, stderr);
  s.history = history_init();
  HistEvent event;
  history(s.history, &event, H_SETSIZE, kHistoryLength);
  history(s.history, &event, H_SETUNIQUE, 1);
  std::error_code unknown;
  if (std::filesystem::is_regular_file(s.file, unknown)) history(s.history, &event, H_LOAD, s.file.c_str());
  el_set(s.editor, EL_CLIENTDATA, &s);
  el_set(s.editor, EL_PROMPT, &State::show_prompt);
  el_set(s.editor, EL_EDITOR, "emacs");
  el_set(s.editor, EL_HIST, history, s.history);
  el_set(s.editor, EL_SIGNAL, 0);  // signals are ours: cli/interrupt.h, cli/terminal_input.h
  el_wset(s.editor, EL_GETCFN, &State::next_character);
  el_set(s.editor, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  el_source(s.editor, nullptr);  // the user's own .editrc
  el_set(s.editor, EL_ADDFN, "mlx-paste", "Insert pasted text", &State::paste);
  el_set(s.editor, EL_BIND, "\\e[200~", "mlx-paste", nullptr);
}

LineReader::~LineReader() {
  history_end(state_->history);
  el_end(state_->editor);
}

LineReader::Event LineReader::read(const std::string& prompt, std::string& line) {
  State& s = *state_;
  s.prompt = prompt;
  s.pastes.clear();
  s.input.emplace();
  if (s.can_paste) send_to_terminal(kPasteOn);
  int count = 0;
  errno = 0;
  const char* text = el_gets(s.editor, &count);
  s.leave();
  s.input.reset();
  if (interrupted().exchange(false)) {
    el_reset(s.editor);
    std::fputs("\n", stdout);
    return Event::kInterrupted;
  }
  if (text == nullptr || count <= 0) return Event::kEnd;
  line.assign(text, static_cast<std::size_t>(count));
  if (line.ends_with('\n')) line.pop_back();
  line = s.with_pastes(std::move(line));
  return Event::kLine;
}

void LineReader::remember(const std::string& input) {
  HistEvent event;
  if (input.empty()) return;
  history(state_->history, &event, H_ENTER, input.c_str());
  add_to_history_file(state_->file, input);
}

}  // namespace mlxr::cli
