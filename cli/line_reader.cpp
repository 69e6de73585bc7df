#include "cli/line_reader.h"

#include <histedit.h>

#include <cerrno>
#include <cstdio>

#include "cli/interrupt.h"

namespace mlxr::cli {

namespace {
constexpr int kHistoryLength = 1000;
}  // namespace

struct LineReader::State {
  EditLine* editor = nullptr;
  History* history = nullptr;
  std::filesystem::path file;
  std::string prompt;

  static const char* show_prompt(EditLine* editor) {
    void* self = nullptr;
    el_get(editor, EL_CLIENTDATA, &self);
    return static_cast<State*>(self)->prompt.c_str();
  }
};

LineReader::LineReader(std::filesystem::path history_file) : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.file = std::move(history_file);
  s.editor = el_init("mlx", stdin, stdout, stderr);
  s.history = history_init();
  HistEvent event;
  history(s.history, &event, H_SETSIZE, kHistoryLength);
  history(s.history, &event, H_SETUNIQUE, 1);
  history(s.history, &event, H_LOAD, s.file.c_str());
  el_set(s.editor, EL_CLIENTDATA, &s);
  el_set(s.editor, EL_PROMPT, &State::show_prompt);
  el_set(s.editor, EL_EDITOR, "emacs");
  el_set(s.editor, EL_HIST, history, s.history);
  el_set(s.editor, EL_SIGNAL, 0);  // Ctrl-C is ours (cli/interrupt.h)
  el_set(s.editor, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  el_source(s.editor, nullptr);  // the person's own .editrc
}

LineReader::~LineReader() {
  HistEvent event;
  std::error_code ignored;
  std::filesystem::create_directories(state_->file.parent_path(), ignored);
  history(state_->history, &event, H_SAVE, state_->file.c_str());
  history_end(state_->history);
  el_end(state_->editor);
}

LineReader::Event LineReader::read(const std::string& prompt, std::string& line) {
  state_->prompt = prompt;
  int count = 0;
  errno = 0;
  const char* text = el_gets(state_->editor, &count);
  if (interrupted().exchange(false)) {
    el_reset(state_->editor);
    std::fputs("\n", stdout);
    return Event::kInterrupted;
  }
  if (text == nullptr || count <= 0) return Event::kEnd;
  line.assign(text, static_cast<std::size_t>(count));
  if (line.ends_with('\n')) line.pop_back();
  return Event::kLine;
}

void LineReader::remember(const std::string& input) {
  HistEvent event;
  if (!input.empty()) history(state_->history, &event, H_ENTER, input.c_str());
}

}  // namespace mlxr::cli
