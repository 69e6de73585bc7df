// Chat messages: checked, and made plain for the model's template.
#pragma once

#include <vector>

#include <mlxrunner/model.h>

#include "daemon/routes/fields.h"

namespace mlxr::daemon {

// An array of {role, content} with roles that templates know, content as text (OpenAI's text parts are joined, null is empty), at least
// one. A message that carries anything else (images, tool calls) is refused, with the field's name.
ApiResult<json> read_messages(const json& messages);

// The prompt of such messages. When the assistant has the last word, its answer goes on there; else it begins.
Result<std::vector<TokenId>> render_messages(const Model& model, const json& messages);

}  // namespace mlxr::daemon
