#include "cli/chat_session.h"

#include <cstdio>
#include <optional>

#include "cli/format.h"
#include "cli/interrupt.h"
#include "cli/line_reader.h"
#include "cli/multiline.h"
#include "cli/terminal.h"

namespace mlxr::cli {
namespace {

constexpr std::string_view kHelp =
    "  /set NAME VALUE   sets a parameter, for example: /set temperature 0.2\n"
    "  /set system TEXT  sets the system message; without TEXT removes it\n"
    "  /set stop TEXT    adds a text that ends an answer; without TEXT removes all\n"
    "  /show             shows the model and the parameters\n"
    "  /clear            forgets the conversation\n"
    "  /help, /?         shows this\n"
    "  /bye              leaves (Ctrl-D does as well)\n"
    "\n"
    "  \"\"\"               begins and ends an input of several lines\n"
    "  \\                 at the end of a line goes on with the next one\n"
    "  Ctrl-C            stops the answer\n";

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
    write_out(conversation_.raw ? "This is a base model: it goes on with your text instead of answering it. /help lists the commands.\n"
                                : "Type a message; /help lists the commands, Ctrl-D leaves.\n");
    while (!finished_) {
      auto input = read_input();
      if (!input) break;
      if (input->find_first_not_of(" \t\n") == std::string::npos) continue;
      reader_.remember(*input);
      if (!block_ && input->starts_with('/') && input->find('\n') == std::string::npos) {
        command(*input);
        continue;
      }
      auto answered = answer(*input);
      if (!answered && answered.error().exit_code == ExitCode::kDaemonUnavailable) return answered;
      if (!answered) complain(answered.error().message);
    }
    return {};
  }

 private:
  // One input, of one or several lines; nothing at the end.
  std::optional<std::string> read_input() {
    MultilineInput input;
    while (true) {
      std::string line;
      switch (reader_.read(input.inside() ? "... " : ">>> ", line)) {
        case LineReader::Event::kEnd: write_out("\n"); return std::nullopt;
        case LineReader::Event::kInterrupted:
          if (!input.inside()) write_out("Ctrl-D or /bye leaves.\n");
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

  void command(std::string text) {
    const std::string name = first_word(text);
    if (name == "/bye" || name == "/exit" || name == "/quit") {
      finished_ = true;
    } else if (name == "/help" || name == "/?") {
      write_out(kHelp);
    } else if (name == "/clear") {
      conversation_.messages.clear();
      write_out("The conversation is forgotten.\n");
    } else if (name == "/set") {
      set(std::move(text));
    } else if (name == "/show") {
      show();
    } else {
      complain("There is no command " + name + ". /help lists them; to send text that begins with /, put it between \"\"\" and \"\"\".");
    }
  }

  void set(std::string text) {
    std::string name = first_word(text);
    if (name == "parameter") name = first_word(text);  // as in Ollama
    if (name.empty()) return complain("What to set? For example: /set temperature 0.2");
    if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
    auto done = conversation_.parameters.set(name, text);
    if (!done) complain(done.error().message);
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
    TerminalFilter filter;
    bool began = false;
    auto answered = ask(client_, conversation_, [&](std::string_view text) {
      began = true;
      return write_out(filter.clean(text));
    });
    const bool stopped = interrupted().exchange(false);
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

  static void complain(const std::string& sentence) {
    std::fprintf(stderr, "%s %s\n", styled_error(Style::kRed, "mlx:").c_str(), TerminalFilter().clean(sentence).c_str());
  }

  Client& client_;
  Conversation conversation_;
  const ChatOptions& options_;
  LineReader reader_;
  bool block_ = false;
  bool finished_ = false;
};

}  // namespace

Status chat(Client& client, Conversation conversation, const ChatOptions& options) {
  return Session(client, std::move(conversation), options).run();
}

}  // namespace mlxr::cli
