// Chat messages: checks them, and converts them for the model's template.
#pragma once

#include <vector>

#include <mlxrunner/model.h>

#include "daemon/routes/fields.h"

namespace mlxr::daemon {

// An array of {role, content} with roles that templates know, content as text (OpenAI's text parts are joined, null is empty), at least
// one. A message that carries anything else (images, tool calls) is refused, with the field's name.
ApiResult<json> read_messages(const json& messages);

// The prompt for these messages. If the last message is the assistant's, the answer continues it; otherwise a new answer begins.
Result<std::vector<TokenId>> render_messages(const Model& model, const json& messages);

}  // namespace mlxr::daemon
