#include "cli/chat_session.h"

#include <cstdio>
#include <cstdlib>
#include <optional>

#include "cli/answer_printer.h"
#include "cli/command_line.h"
#include "cli/conversation_file.h"
#include "cli/editor.h"
#include "cli/format.h"
#include "cli/interrupt.h"
#include "cli/line_reader.h"
#include "cli/multiline.h"
#include "cli/terminal.h"

namespace mlxr::cli {
namespace {

std::string help() {
  return columns({{"/set NAME VALUE", "Set a parameter, for example: /set temperature 0.2"},
                  {"/set system TEXT", "Set the system message; without TEXT, remove it"},
                  {"/set stop TEXT", "Stop answers before this text; without TEXT, remove all stop texts"},
                  {"/show", "Show the model and the parameters"},
                  {"/edit [TEXT]", "Write a message in your editor ($EDITOR)"},
                  {"/save FILE", "Save the conversation"},
                  {"/load FILE", "Continue a saved conversation"},
                  {"/clear", "Forget the conversation"},
                  {"/help, /?", "Show this help"},
                  {"/bye", "Leave the chat (or press Ctrl-D)"}},
                 text_width()) +
         "\n" +
         columns({{"\"\"\"", "Begin and end a message of several lines; pasted lines need none"},
                  {"\\", "At the end of a line: continue on the next line"},
                  {"Ctrl-C", "Stop the answer"}},
                 text_width());
}

// "~/notes" as a shell would read it.
std::filesystem::path path_of(const std::string& text) {
  const char* home = std::getenv("HOME");
  if (text.starts_with("~/") && home != nullptr) return std::filesystem::path(home) / text.substr(2);
  return text;
}

std::string first_word(std::string& text) {
  const std::size_t begin = text.find_first_not_of(' ');
  if (begin == std::string::npos) return text = "";
  const std::size_t end = text.find(' ', begin);
  std::string word = text.substr(begin, end - begin);
  const std::size_t rest = end == std::string::npos ? std::string::npos : text.find_first_not_of(' ', end);
  text = rest == std::string::npos ? "" : text.substr(rest);
  return word;
}

class Session {
 public:
  Session(Client& client, Conversation conversation, const ChatOptions& options)
      : client_(client), conversation_(std::move(conversation)), options_(options), reader_(options.history_file) {}

  Status run() {
    write_out(conversation_.raw ? "This is a base model: it continues your text instead of answering it. Commands: /help.\n"
                                : "Type a message. Commands: /help. To leave: Ctrl-D.\n");
    while (!finished_) {
      auto input = read_input();
      if (!input) break;
      if (input->find_first_not_of(" \t\n") == std::string::npos) continue;
      reader_.remember(*input);
      std::string message = *input;
      if (!block_ && input->starts_with('/') && input->find('\n') == std::string::npos) {
        message = command(*input);
        if (message.empty()) continue;
      }
      auto answered = answer(message);
      if (!answered && answered.error().exit_code == ExitCode::kDaemonUnavailable) return answered;
      if (!answered) complain(answered.error().message);
    }
    return {};
  }

 private:
  // Reads one input, of one or several lines; nothing at the end of input.
  std::optional<std::string> read_input() {
    MultilineInput input;
    while (true) {
      std::string line;
      switch (reader_.read(input.inside() ? "... " : ">>> ", line)) {
        case LineReader::Event::kEnd: write_out("\n"); return std::nullopt;
        case LineReader::Event::kInterrupted:
          if (!input.inside()) write_out("To leave: Ctrl-D or /bye.\n");
          input.reset();
          break;
        case LineReader::Event::kLine:
          if (!input.feed(line)) break;
          std::string text = input.take();
          block_ = input.was_block();
          return text;
      }
    }
  }

  // Runs a command, a line that begins with /. Returns a message to send, or nothing.
  std::string command(std::string text) {
    const std::string name = first_word(text);
    if (name == "/bye" || name == "/exit" || name == "/quit") {
      finished_ = true;
    } else if (name == "/help" || name == "/?") {
      write_out(help());
    } else if (name == "/clear") {
      conversation_.messages.clear();
      write_out("The conversation is forgotten.\n");
    } else if (name == "/set") {
      set(std::move(text));
    } else if (name == "/show") {
      show();
    } else if (name == "/save") {
      save(text);
    } else if (name == "/load") {
      load(text);
    } else if (name == "/edit") {
      return edit(text);
    } else {
      const std::string near = nearest(name, kCommands);
      complain("Unknown command " + name + ". " + (near.empty() ? "" : "Did you mean " + near + "? ") +
               "All commands: /help. To send text that begins with /, put it between \"\"\" and \"\"\".");
    }
    return "";
  }

  void save(const std::string& file) {
    if (file.empty()) return complain("/save needs a file, for example: /save conversation.json");
    const auto saved = save_conversation(conversation_, path_of(file));
    if (!saved) return complain(saved.error().message);
    write_out("Saved " + std::to_string(conversation_.messages.size()) + " messages. To continue: /load " + file + "\n");
  }

  void load(const std::string& file) {
    if (file.empty()) return complain("/load needs a file, for example: /load conversation.json");
    auto loaded = load_conversation(path_of(file));
    if (!loaded) return complain(loaded.error().message);
    conversation_.parameters = std::move(loaded->parameters);
    conversation_.messages = std::move(loaded->messages);
    write_out("Loaded " + std::to_string(conversation_.messages.size()) + " messages" +
              (loaded->model == conversation_.model ? ".\n" : " of a chat with " + loaded->model + ".\n"));
  }

  std::string edit(const std::string& text) {
    auto edited = edit_text(text);
    interrupted() = false;  // Ctrl-C was the editor's
    if (!edited) {
      complain(edited.error().message);
      return "";
    }
    if (edited->find_first_not_of(" \t\n") == std::string::npos) {
      write_out("The message is empty; nothing was sent.\n");
      return "";
    }
    reader_.remember(*edited);
    write_out(styled(Style::kDim, *edited) + "\n");
    return *edited;
  }

  void set(std::string text) {
    std::string name = first_word(text);
    if (name == "parameter") name = first_word(text);  // as in Ollama
    if (name.empty()) return complain("/set needs a name and a value, for example: /set temperature 0.2");
    if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
    auto done = conversation_.parameters.set(name, text);
    if (!done) complain(name + ": " + done.error().message);
  }

  void show() {
    std::string out = "  model        " + conversation_.model + "\n";
    for (const auto& [name, value] : conversation_.parameters.numbers) {
      std::string label = name;
      label.resize(13, ' ');
      out += "  " + label + format_fixed(value, value == static_cast<double>(static_cast<long long>(value)) ? 0 : 3) + "\n";
    }
    for (const std::string& text : conversation_.parameters.stop) out += "  stop         " + text + "\n";
    if (!conversation_.parameters.system.empty()) out += "  system       " + conversation_.parameters.system + "\n";
    out += "  messages     " + std::to_string(conversation_.messages.size()) + "\n";
    write_out(out);
  }

  Status answer(const std::string& input) {
    conversation_.messages.push_back({"user", input});
    AnswerPrinter printer(conversation_.model, client_);
    auto answered = ask(client_, conversation_, [&](std::string_view text) { return printer.print(text); });
    const bool stopped = interrupted().exchange(false);
    const bool began = printer.finish();
    if (!answered) {
      if (began) write_out("\n");
      conversation_.messages.pop_back();
      return give_up(answered.error());
    }
    write_out(stopped ? "\n" + styled(Style::kDim, "(stopped)") + "\n" : "\n");
    conversation_.messages.push_back({"assistant", answered->text});
    if (options_.verbose && !stopped) std::fputs(("\n" + timings(*answered)).c_str(), stderr);
    if (!stopped && options_.after_answer) options_.after_answer();
    write_out("\n");
    return {};
  }

  Client& client_;
  Conversation conversation_;
  const ChatOptions& options_;
  LineReader reader_;
  bool block_ = false;
  bool finished_ = false;

  static inline const std::vector<std::string> kCommands{"/set",   "/show", "/edit", "/save", "/load",
                                                         "/clear", "/help", "/bye",  "/exit", "/quit"};
};

}  // namespace

Status chat(Client& client, Conversation conversation, const ChatOptions& options) {
  return Session(client, std::move(conversation), options).run();
}

}  // namespace mlxr::cli
