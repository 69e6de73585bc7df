// The answer of /api/generate and /api/chat: NDJSON, or one object; timings in nanoseconds.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "daemon/routes/generation.h"
#include "daemon/routes/ollama/options.h"

namespace mlxr::daemon::ollama {

using Began = std::chrono::steady_clock::time_point;

struct Piece {
  std::string model;
  std::function<void(json& body, const std::string& text)> put_text;                     // "response" or "message"
  std::function<void(json& body, const std::vector<TokenLogprob>&)> put_last = nullptr;  // what the last object has besides
  bool with_logprobs = false;
};

void answer(ModelHost& host, const ModelHost::Lease& lease, Options options, bool stream, const Piece& piece, Began began, Responder& out);

// One object with done: true, without a generation: the model was loaded or unloaded.
void answer_without_text(const Piece& piece, std::string_view done_reason, Responder& out);

std::string rfc3339(std::chrono::system_clock::time_point time);

}  // namespace mlxr::daemon::ollama
