// The conversation as a template sees it.
#pragma once

#include "core/text/chat_template.h"
#include "core/text/jinja/value.h"

namespace mlxr::text {

struct ChatContext {
  jinja::Value value;         // a dict
  bool has_question = false;  // a user's message with text
  bool goes_on = false;       // the last message has text that the answer continues
};

// The context as RenderOptions ask for it, with the origin of every string (see ChatTemplate::render), and with what `transformers` adds to
// it: tools and documents are None where there are none, and what a message has of reasoning_content, thinking or reasoning is in the first
// two. A last message that is to be continued but has no text yet is left out, and a new answer is begun instead.
// Raises when the context is not a JSON object, and when the last message cannot be continued.
ChatContext chat_context(std::string_view json, const RenderOptions& options);

// Whether the context has tools; a list without any counts. Raises when it is not JSON.
bool gives_tools(std::string_view json);

}  // namespace mlxr::text
