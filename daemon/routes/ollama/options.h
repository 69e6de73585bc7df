// The `options` object and `keep_alive`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <mlxrunner/engine.h>

#include "daemon/duration.h"
#include "daemon/routes/fields.h"
#include "daemon/routes/generation.h"

namespace mlxr::daemon::ollama {

struct Options {
  mlxr::Request request;              // without the prompt
  int context = 0;                    // num_ctx; 0: the configured context
  std::vector<std::string> warnings;  // of options that are unknown, or have no effect here: told in a Warning header
};

// Ollama's rule: an unknown option is a warning, a wrong type an error.
ApiResult<Options> read_options(const json& options);

// Seconds as a number, or "5m". Nothing when the request has none.
ApiResult<std::optional<Duration>> read_keep_alive(const json& body);

// logprobs and top_logprobs of the body as Request::top_logprobs.
ApiResult<int> read_logprobs(const json& body);

Headers warning_headers(const std::vector<std::string>& warnings);

}  // namespace mlxr::daemon::ollama
