#include "core/text/chat_template.h"

#include "core/text/chat_context.h"
#include "core/text/jinja/ast.h"
#include "core/text/jinja/budget.h"
#include "core/text/jinja/interpreter.h"
#include "core/text/jinja/parser.h"
#include "core/text/jinja/raise.h"
#include "core/text/utf8.h"

namespace mlxr::text {
namespace {

std::unexpected<Error> failure(const jinja::Raised& raised, int line) {
  if (raised.line > 0) line = raised.line;
  const std::string where = line > 0 ? "chat template, line " + std::to_string(line) : "chat template";
  return fail(raised.code, where + ": " + raised.message);
}

// The prompt, cut after the message that the answer continues.
Result<MarkedText> checked(MarkedText prompt, const ChatContext& context, const RenderOptions& options) {
  if (options.require_question && context.has_question && !prompt.has(Origin::kQuestion))
    return fail(ErrorCode::kUnsupported, "chat template: it leaves out the last user message");
  if (!context.goes_on) return prompt;
  if (!prompt.has(Origin::kFinal))
    return fail(ErrorCode::kInvalidArgument,
                "chat template: it does not print the last message as it is, so the answer cannot continue it");
  prompt.truncate(prompt.end_of_last(Origin::kFinal));
  return prompt;
}

}  // namespace

struct ChatTemplate::Program {
  jinja::Body body;
};

ChatTemplate::ChatTemplate(std::unique_ptr<const Program> program) : program_(std::move(program)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

Result<ChatTemplate> ChatTemplate::parse(std::string_view source) {
  if (source.size() > kMaxSource)
    return fail(ErrorCode::kUnsupported,
                "chat template: its source has " + std::to_string(source.size()) + " bytes; the limit is " + std::to_string(kMaxSource));
  if (!utf8_valid(source)) return fail(ErrorCode::kInvalidArgument, "chat template: not valid UTF-8");
  try {
    return ChatTemplate(std::make_unique<const Program>(jinja::parse_template(source)));
  } catch (const jinja::Raised& raised) {
    return failure(raised, 0);
  }
}

bool ChatTemplate::gives_tools(std::string_view context_json) {
  try {
    return text::gives_tools(context_json);
  } catch (const jinja::Raised&) {
    return false;
  }
}

Result<MarkedText> ChatTemplate::render(std::string_view context_json, const RenderOptions& options) const {
  const RenderLimits& limits = options.limits;
  // What the template makes may be several times its output, beside what the context itself takes.
  jinja::Budget budget(limits, 8 * limits.output_bytes + 32 * context_json.size() + (1u << 20));
  const jinja::Budget::Scope scope(budget);
  try {
    ChatContext context = chat_context(context_json, options);
    jinja::Interpreter interpreter(budget, limits.output_bytes, std::move(context.value));
    try {
      return checked(interpreter.render(program_->body), context, options);
    } catch (const jinja::Raised& raised) {
      return failure(raised, interpreter.line());
    }
  } catch (const jinja::Raised& raised) {
    return failure(raised, 0);
  }
}

}  // namespace mlxr::text
