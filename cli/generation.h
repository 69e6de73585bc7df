// One answer of a model, streamed from the daemon.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/client.h"
#include "cli/failure.h"
#include "cli/parameters.h"

namespace mlxr::cli {

struct ChatMessage {
  std::string role;  // "user", "assistant"
  std::string content;
};

struct Conversation {
  std::string model;           // a name that the daemon knows, or the path of a file, as people call it
  std::filesystem::path file;  // that file or model folder, handed over to the daemon before each request; empty: `model` is a name
  bool raw = false;            // a base model: the last message goes to it as it is, without a template
  Parameters parameters;
  std::vector<ChatMessage> messages;  // without the system message, which is a parameter
};

struct Answer {
  std::string text;
  std::string done_reason;  // "stop", "length"; "cancelled" after Ctrl-C
  std::uint64_t prompt_tokens = 0;
  std::uint64_t tokens = 0;
  double prompt_seconds = 0;
  double seconds = 0;  // of producing `tokens`
  double load_seconds = 0;
  double first_token_seconds = 0;  // from the request to the first text, as seen here
};

// Asks the model and hands over each piece of text. Ctrl-C ends the answer with what there is; it is no failure here.
Outcome<Answer> ask(Client& client, const Conversation& conversation, const std::function<bool(std::string_view)>& on_text);

// Whether the model has no chat template.
Outcome<bool> is_base_model(Client& client, const Conversation& conversation);

// Puts the model in memory, so that the first answer need not wait for it.
Status load(Client& client, const Conversation& conversation);

// Lines for --verbose.
std::string timings(const Answer& answer);

}  // namespace mlxr::cli
