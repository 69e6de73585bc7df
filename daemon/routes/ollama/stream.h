// The answer of /api/generate and /api/chat: NDJSON, or one object; timings in nanoseconds.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "daemon/routes/generation.h"
#include "daemon/routes/ollama/common.h"

namespace mlxr::daemon::ollama {

// How a route adds text to its objects.
struct Piece {
  std::function<void(json& body, const std::string& text)> put_text;                     // "response" or "message"
  std::function<void(json& body, const std::vector<TokenLogprob>&)> put_last = nullptr;  // additional fields of the last object
};

// Answers a call whose prompt is set.
void answer(ModelHost& host, const ModelHost::Lease& lease, Call call, const Piece& piece, Responder& out);

// A call without a prompt loads the model, or unloads it with keep_alive 0: one object with done: true.
ApiResult<void> load_or_unload(ModelHost& host, const Call& call, const Piece& piece, Responder& out);

}  // namespace mlxr::daemon::ollama
