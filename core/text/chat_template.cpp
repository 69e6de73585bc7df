#include "core/text/chat_template.h"

#include "core/text/jinja/ast.h"
#include "core/text/jinja/interpreter.h"
#include "core/text/jinja/json.h"
#include "core/text/jinja/parser.h"
#include "core/text/jinja/raise.h"
#include "core/text/jinja/unicode.h"

namespace mlxr::text {
namespace {

std::unexpected<Error> failure(const jinja::Raised& raised, int line) {
  if (raised.line > 0) line = raised.line;
  const std::string where = line > 0 ? "chat template, line " + std::to_string(line) : "chat template";
  return fail(raised.code, where + ": " + raised.message);
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
  if (!jinja::valid_utf8(source)) return fail(ErrorCode::kInvalidArgument, "chat template: not valid UTF-8");
  try {
    return ChatTemplate(std::make_unique<const Program>(jinja::parse_template(source)));
  } catch (const jinja::Raised& raised) {
    return failure(raised, 0);
  }
}

Result<std::string> ChatTemplate::render(std::string_view context_json, const RenderLimits& limits) const {
  // What the template makes may be several times its output, beside what the context itself takes.
  jinja::Meter meter(8 * limits.output_bytes + 32 * context_json.size() + (1u << 20));
  const jinja::Meter::Scope scope(meter);
  try {
    jinja::Value context = jinja::parse_json(context_json);
    if (context.dict() == nullptr) return fail(ErrorCode::kInvalidArgument, "chat template: the context is not a JSON object");
    jinja::Interpreter interpreter(limits, std::move(context));
    try {
      return interpreter.render(program_->body);
    } catch (const jinja::Raised& raised) {
      return failure(raised, interpreter.line());
    }
  } catch (const jinja::Raised& raised) {
    return failure(raised, 0);
  }
}

}  // namespace mlxr::text
