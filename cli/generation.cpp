#include "cli/generation.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "cli/format.h"
#include "cli/hand_over.h"

namespace mlxr::cli {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr auto kHashTimeout = std::chrono::minutes(10);  // a large file is hashed the first time

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// `model` in a request.
Outcome<std::string> name_for_daemon(Client& client, const Conversation& conversation) {
  if (conversation.file.empty()) return conversation.model;
  auto reference = hand_over(client, conversation.file);
  return reference ? Outcome<std::string>(*std::move(reference)) : give_up(reference.error());
}

json request_for(const Conversation& conversation, const std::string& model) {
  json request{{"model", model}, {"stream", true}, {"options", to_options(conversation.parameters)}};
  if (conversation.raw) {
    request["prompt"] = conversation.messages.empty() ? "" : conversation.messages.back().content;
    request["raw"] = true;
    return request;
  }
  json messages = json::array();
  if (!conversation.parameters.system.empty()) messages.push_back({{"role", "system"}, {"content", conversation.parameters.system}});
  for (const ChatMessage& message : conversation.messages) messages.push_back({{"role", message.role}, {"content", message.content}});
  request["messages"] = std::move(messages);
  return request;
}

std::string text_of(const json& line, bool raw) {
  const json* holder = &line;
  if (!raw) {
    const auto message = line.find("message");
    if (message == line.end() || !message->is_object()) return "";
    holder = &*message;
  }
  const auto text = holder->find(raw ? "response" : "content");
  return text != holder->end() && text->is_string() ? text->get<std::string>() : "";
}

double nanoseconds(const json& line, const char* field) { return static_cast<double>(line.value(field, std::uint64_t{0})) * 1e-9; }

std::string rate(std::uint64_t tokens, double seconds) {
  return std::to_string(tokens) + " tokens in " + format_duration(seconds) +
         (seconds > 0 ? ", " + format_fixed(static_cast<double>(tokens) / seconds, 1) + " tokens/s" : "");
}

}  // namespace

Outcome<Answer> ask(Client& client, const Conversation& conversation, const std::function<bool(std::string_view)>& on_text) {
  Answer answer;
  const auto start = Clock::now();
  const auto model = name_for_daemon(client, conversation);
  if (!model) return give_up(model.error());
  const auto on_line = [&](const json& line) {
    const std::string text = text_of(line, conversation.raw);
    if (!text.empty()) {
      if (answer.text.empty()) answer.first_token_seconds = seconds_since(start);
      answer.text += text;
      if (!on_text(text)) return false;
    }
    if (line.value("done", false)) {
      answer.done_reason = line.value("done_reason", "stop");
      answer.prompt_tokens = line.value("prompt_eval_count", std::uint64_t{0});
      answer.tokens = line.value("eval_count", std::uint64_t{0});
      answer.prompt_seconds = nanoseconds(line, "prompt_eval_duration");
      answer.seconds = nanoseconds(line, "eval_duration");
      answer.load_seconds = nanoseconds(line, "load_duration");
    }
    return true;
  };
  auto done = client.stream(conversation.raw ? "/api/generate" : "/api/chat", request_for(conversation, *model), on_line);
  if (!done) {
    if (!done.error().was_cancelled()) return give_up(done.error());
    answer.done_reason = "cancelled";
  }
  return answer;
}

Outcome<bool> is_base_model(Client& client, const Conversation& conversation) {
  const auto model = name_for_daemon(client, conversation);
  if (!model) return give_up(model.error());
  auto shown = client.post("/api/show", {{"model", *model}}, kHashTimeout);
  if (!shown) return give_up(shown.error());
  return shown->value("template", "").empty();
}

Status load(Client& client, const Conversation& conversation) {
  const auto model = name_for_daemon(client, conversation);
  if (!model) return give_up(model.error());
  const json request{{"model", *model}, {"options", to_options(conversation.parameters)}, {"stream", false}};
  auto loaded = client.post("/api/generate", request, kHashTimeout);
  if (!loaded) return give_up(loaded.error());
  return {};
}

std::string timings(const Answer& answer) {
  return "load         " + format_duration(answer.load_seconds) + "\nfirst token  " + format_fixed(answer.first_token_seconds, 3) +
         "s\nprompt       " + rate(answer.prompt_tokens, answer.prompt_seconds) + "\nanswer       " + rate(answer.tokens, answer.seconds) +
         "\n";
}

}  // namespace mlxr::cli
