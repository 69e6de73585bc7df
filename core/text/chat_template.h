// Chat templates: the Jinja program in a model file that turns messages into a prompt. Behaves as Python's jinja2 set up as
// `transformers` does (sandboxed, trim_blocks, lstrip_blocks, loop controls, tojson without escaping, raise_exception, strftime_now).
//
//   auto t = text::ChatTemplate::parse(source);
//   auto prompt = t->render(R"({"messages": [{"role": "user", "content": "Hi"}], "add_generation_prompt": true})");
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include <mlxrunner/result.h>

namespace mlxr::text {

struct RenderLimits {
  std::size_t output_bytes = 16u << 20;
  std::size_t steps = 2'000'000;  // evaluated nodes; bounds loops
  std::chrono::milliseconds time{2000};
};

class ChatTemplate {
 public:
  // Errors: kInvalidArgument with the line and what was expected.
  static Result<ChatTemplate> parse(std::string_view source);

  // Renders with a JSON object as the context; key order is kept. Safe from any thread.
  // Errors: kInvalidArgument (not a JSON object; the template called raise_exception or used a name or operation that does not exist:
  // the message says which and at which line), kUnsupported (limits exceeded).
  Result<std::string> render(std::string_view context_json, const RenderLimits& limits = {}) const;

  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

 private:
  struct Program;
  explicit ChatTemplate(std::unique_ptr<const Program> program);
  std::unique_ptr<const Program> program_;
};

}  // namespace mlxr::text
