// Chat templates: the Jinja program in a model file that turns messages into a prompt. Behaves as Python's jinja2 set up as
// `transformers` does (sandboxed, trim_blocks, lstrip_blocks, loop controls, tojson without escaping, raise_exception, strftime_now).
//
//   auto t = text::ChatTemplate::parse(source);
//   auto prompt = t->render(R"({"messages": [{"role": "user", "content": "Hi"}], "add_generation_prompt": true})");
//   std::cout << prompt->bytes();
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mlxrunner/result.h>

#include "core/text/marked_text.h"

namespace mlxr::text {

struct RenderLimits {
  std::size_t output_bytes = 16u << 20;
  std::size_t steps = 2'000'000;  // evaluated nodes, compared values and looked-at stretches of text; bounds loops
  std::chrono::milliseconds time{2000};
};

struct RenderOptions {
  std::vector<std::pair<std::string, std::string>> variables;  // text for the template where the context has no such key
  bool content_as_parts = false;                               // string contents become [{"type": "text", "text": ...}]
  bool continue_final_message = false;                         // the prompt ends where the content of the last message does
  bool require_question = false;                               // a prompt without the last user message's text is an error
  RenderLimits limits;
};

class ChatTemplate {
 public:
  static constexpr std::size_t kMaxSource = 1u << 20;

  // Errors: kInvalidArgument with the line and what was expected; kUnsupported (longer than kMaxSource).
  static Result<ChatTemplate> parse(std::string_view source);

  // Renders with a JSON object as the context; key order is kept. Safe from any thread.
  //
  // In the result, text from the context has the origin kContent, or kQuestion and kFinal for the messages that these stand for. Known
  // roles (system, user, assistant, tool, ...) count as the template's text, because templates write '<|' + role + '|>'.
  //
  // Errors: kInvalidArgument (not a JSON object; the template called raise_exception or used a name or operation that does not exist:
  // the message says which and at which line; the last message cannot be continued), kUnsupported (limits exceeded; no question).
  Result<MarkedText> render(std::string_view context_json, const RenderOptions& options = {}) const;

  // Whether the context has `tools`, for which some models have a template of their own. False for what is not JSON.
  static bool gives_tools(std::string_view context_json);

  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

 private:
  struct Program;
  explicit ChatTemplate(std::unique_ptr<const Program> program);
  std::unique_ptr<const Program> program_;
};

}  // namespace mlxr::text
