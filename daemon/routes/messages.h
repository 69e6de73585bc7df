// Chat messages: checked, and made plain for the model's template.
#pragma once

#include "daemon/routes/fields.h"

namespace mlxr::daemon {

// An array of {role, content} with roles that templates know, content as text (OpenAI's text parts are joined), at least one.
// What carries anything else (images, tool calls) is refused by its name.
ApiResult<json> read_messages(const json& messages);

}  // namespace mlxr::daemon
