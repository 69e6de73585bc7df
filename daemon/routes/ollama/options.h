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
  SamplingValues asked;               // the options of the request itself, which the model's advice does not change
  int context = 0;                    // num_ctx; 0: the configured context
  std::vector<std::string> warnings;  // for the client, in Warning headers: options that are unknown, have no effect, or were limited
};

// Ollama's rule: an unknown option is a warning, a wrong type an error.
ApiResult<Options> read_options(const json& options);

// Seconds as a number, or "5m". Nothing when the request has none.
ApiResult<std::optional<Duration>> read_keep_alive(const json& body);

}  // namespace mlxr::daemon::ollama
