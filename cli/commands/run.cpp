#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "cli/answer_printer.h"
#include "cli/chat_session.h"
#include "cli/client.h"
#include "cli/commands/commands.h"
#include "cli/completion.h"
#include "cli/daemon_process.h"
#include "cli/generation.h"
#include "cli/handshake.h"
#include "cli/interrupt.h"
#include "cli/json_output.h"
#include "cli/open_store.h"
#include "cli/pull_model.h"
#include "cli/terminal.h"
#include "store/model_file.h"

namespace mlxr::cli {
namespace {

namespace fs = std::filesystem;

// Models below this many parameters only prove that the installation works.
constexpr std::uint64_t kStarterParameters = 500'000'000;

struct Options {
  std::string model;
  std::vector<std::string> prompt;
  std::map<std::string, std::string> parameters;  // as typed, by ParameterSpec::name
  std::vector<std::string> stop;
  std::string system;
  bool verbose = false;
  bool json = false;
};

struct Located {
  store::ModelRecord record;
  fs::path file;  // the file or model folder at a path that was named; empty: the daemon knows the model by its name
};

// A file, or the one in a folder, a model folder, an installed model, or a model of the catalogue or the hub that is downloaded now.
Outcome<Located> locate(store::Store& store, const std::string& name) {
  const auto ref = store::ModelRef::parse(name, store::PathRule::kAny);
  if (!ref) return give_up(ref.error());
  using Kind = store::ModelRef::Kind;
  if (ref->kind == Kind::kPath) {
    std::error_code failed;
    if (!fs::exists(name, failed)) return give_up(ExitCode::kNotFound, "There is no file " + name + ". Installed models: mlx list");
    const fs::path path = store::without_links(name, failed);
    if (failed) return give_up(ExitCode::kPermission, name + " cannot be reached: " + failed.message() + ".");
    auto file = store::find_model_file(path);
    if (!file) return give_up(file.error());
    return Located{{.name = path.string()}, std::move(*file)};
  }
  auto found = ref->kind == Kind::kName ? store.find(name) : store.resolve(*ref);
  if (found) return Located{*std::move(found), {}};
  if (found.error().code != ErrorCode::kNotFound) return give_up(found.error());
  std::error_code failed;
  if (ref->kind == Kind::kName && fs::exists(name, failed))
    return give_up(ExitCode::kNotFound, found.error().message + "\nFor the file or folder of this name: mlx run ./" + name);
  const auto* known = store::find_in_catalogue(name);
  if (ref->kind == Kind::kName && known == nullptr) return give_up(found.error());
  if (known && !known->writes_text())
    return give_up(Error{ErrorCode::kUnsupported, name + " makes embeddings of texts; it does not write any."});
  if (!stdin_is_terminal() || !stderr_is_terminal()) {
    if (ref->kind == Kind::kName) {  // of the catalogue, perhaps a model that MLXR does not run: no advice to download that
      if (const auto offer = store.offer(*ref); !offer) return give_up(offer.error());
    }
    return give_up(ExitCode::kNotFound, name + " is not installed. Get it with: mlx pull " + name + " --accept-license");
  }
  auto pulled = pull_model(store, name);
  return pulled ? Outcome<Located>({*std::move(pulled), {}}) : give_up(pulled.error());
}

std::string option_name(std::string_view parameter) {
  std::string name = "--" + std::string(parameter);
  for (char& c : name) {
    if (c == '_') c = '-';
  }
  return name;
}

Outcome<Parameters> parameters_of(const Options& options) {
  Parameters parameters;
  for (const auto& [name, text] : options.parameters) {
    if (text.empty()) continue;
    auto set = parameters.set(name, text);
    if (!set) return give_up(ExitCode::kUsage, option_name(name) + ": " + set.error().message);
  }
  parameters.stop = options.stop;
  parameters.system = options.system;
  return parameters;
}

// Without a word, an open stdin that nobody writes to (ssh, cron, a script's loop) looks like a model that hangs.
void say_when_stdin_is_silent(bool has_prompt) {
  constexpr int kPatience = 2000;  // milliseconds
  pollfd input{STDIN_FILENO, POLLIN, 0};
  if (!stderr_is_terminal() || poll(&input, 1, kPatience) != 0) return;
  say(has_prompt ? "Waiting for text on stdin, to add to the prompt. To do without it: </dev/null\n"
                 : "Waiting for the prompt on stdin.\n");
}

// The words of the command line, then what stands on stdin when that is not a terminal.
std::string prompt_of(const Options& options) {
  std::string prompt;
  for (const std::string& word : options.prompt) prompt += (prompt.empty() ? "" : " ") + word;
  if (!stdin_is_terminal()) {
    say_when_stdin_is_silent(!prompt.empty());
    const std::string piped{std::istreambuf_iterator<char>(std::cin), {}};
    if (!prompt.empty() && piped.find_first_not_of(" \t\r\n") != std::string::npos) prompt += "\n\n";
    prompt += piped.substr(0, piped.find_last_not_of(" \t\r\n") + 1);
  }
  return prompt;
}

// Says once per installation what the starter model is for.
void hint_once(const store::ModelRecord& model, const platform::Paths& paths) {
  if (model.parameters == 0 || model.parameters >= kStarterParameters) return;
  std::error_code failed;
  const fs::path marker = paths.cache / "starter-hint-shown";
  if (fs::exists(marker, failed)) return;
  fs::create_directories(paths.cache, failed);
  std::ofstream(marker).put('\n');
  std::fprintf(stderr, "\n%s is a very small model.\n%s", model.name.c_str(), next_models_hint().c_str());
}

Status answer_once(Client& client, Conversation conversation, const std::string& prompt, const Options& options) {
  conversation.messages.push_back({"user", prompt});
  AnswerPrinter printer(conversation.model, client);
  auto answer = ask(client, conversation, [&](std::string_view text) { return options.json || printer.print(text); });
  const bool began = printer.finish();
  const bool broke_off = !answer || interrupted();
  if (broke_off && began) write_out("\n");
  if (!answer) return give_up(answer.error());
  if (broke_off) return give_up(ExitCode::kInterrupted, "");
  if (options.json) {
    return print_json({{"model", conversation.model},
                       {"response", answer->text},
                       {"done_reason", answer->done_reason},
                       {"prompt_tokens", answer->prompt_tokens},
                       {"tokens", answer->tokens},
                       {"prompt_seconds", answer->prompt_seconds},
                       {"seconds", answer->seconds},
                       {"load_seconds", answer->load_seconds},
                       {"first_token_seconds", answer->first_token_seconds}});
  }
  write_out("\n");
  if (options.verbose) std::fputs(("\n" + timings(*answer)).c_str(), stderr);
  return {};
}

Status run(const Options& options) {
  auto paths = client_paths();
  if (!paths) return give_up(paths.error());
  auto parameters = parameters_of(options);
  if (!parameters) return give_up(parameters.error());
  const bool interactive = options.prompt.empty() && stdin_is_terminal();
  if (interactive && options.json) return give_up(ExitCode::kUsage, "--json needs a prompt, as argument or on stdin.");
  const std::string prompt = interactive ? "" : prompt_of(options);
  if (!interactive && prompt.empty())
    return give_up(ExitCode::kUsage, "The prompt is empty. For example: mlx run " + options.model + " \"What is a computer?\"");

  auto store = store::Store::open(*paths);
  if (!store) return give_up(store.error());
  auto model = locate(**store, options.model);
  if (!model) return give_up(model.error());
  if (auto ready = ensure_current_daemon(*paths); !ready) return ready;

  Client client(paths->socket);
  Conversation conversation{.model = model->record.name, .file = model->file, .parameters = std::move(*parameters)};
  auto base = is_base_model(client, conversation);
  if (!base) return give_up(base.error());
  conversation.raw = *base;
  const auto hint = [&] { hint_once(model->record, *paths); };
  if (interactive) {
    {
      const LoadingHint hint_while_loading(conversation.model, client);
      if (auto loaded = load(client, conversation); !loaded) return loaded;
    }
    return chat(client, std::move(conversation),
                {.history_file = paths->logs / "history", .verbose = options.verbose, .after_answer = hint});
  }
  auto done = answer_once(client, std::move(conversation), prompt, options);
  if (done && !options.json) hint();
  return done;
}

}  // namespace

void add_run(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("run", "Chats with a model, or answers one prompt.");
  command->footer("Example: mlx run smollm2:135m \"What is a computer?\"");
  command->add_option("MODEL", options->model, "A model's name, a GGUF file, or a model folder")
      ->required()
      ->type_name(kCompletesModelOrFile);
  command->add_option("PROMPT", options->prompt, "The prompt; text on stdin is added to it; without both, a chat opens");
  for (const ParameterSpec& spec : parameter_specs()) {
    command->add_option(option_name(spec.name), options->parameters[std::string(spec.name)], std::string(spec.help))->type_name("N");
  }
  command->add_option("--system", options->system, "System message");
  command->add_option("--stop", options->stop, "Stop before this text; can be repeated")->expected(1)->take_all();
  command->add_flag("--verbose", options->verbose, "Print timings after the answer");
  command->add_flag("--json", options->json, "Print the answer and its timings as JSON");
  command->callback([&action, options] { action = [options] { return run(*options); }; });
}

}  // namespace mlxr::cli
