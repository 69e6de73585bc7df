#include "core/text/chat_format.h"

#include "core/text/utf8.h"

namespace mlxr::text {
namespace {

// Plain turns, as base models have seen them in text.
constexpr std::string_view kPlainTemplate =
    "{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}\n\n{% elif m.role == 'user' %}User: {{ m.content }}\n"
    "{% else %}Assistant: {{ m.content }}\n{% endif %}{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}";

std::unexpected<Error> unusable(const Error& error) {  // the file's fault or MLXR's, never the request's
  return fail(ErrorCode::kUnsupported, "MLXR cannot use this model's " + error.message);
}

}  // namespace

ChatFormat::ChatFormat(ChatTemplate program, const Tokenizer& tokenizer) : program_(std::move(program)), tokenizer_(&tokenizer) {
  if (tokenizer.bos()) bos_ = utf8_repair(tokenizer.piece(*tokenizer.bos(), true));
  if (tokenizer.eos()) eos_ = utf8_repair(tokenizer.piece(*tokenizer.eos(), true));
}

Result<ChatFormat> ChatFormat::make(std::string_view source, const Tokenizer& tokenizer) {
  auto program = ChatTemplate::parse(source.empty() ? kPlainTemplate : source);
  if (!program) return unusable(program.error());
  ChatFormat format(std::move(*program), tokenizer);
  const auto as_string = format.prints_content(false);
  if (as_string && *as_string) return format;
  if (const auto as_parts = format.prints_content(true); as_parts && *as_parts) {
    format.content_as_parts_ = true;
  } else if (as_string) {
    return unusable({ErrorCode::kUnsupported, "chat template: it prints a user's message neither from a string nor from parts"});
  }
  return format;  // a template that raises here may need more than one message; it says what when it is used
}

Result<bool> ChatFormat::prints_content(bool as_parts) const {
  RenderOptions probe = options();
  probe.content_as_parts = as_parts;
  const auto prompt = program_.render(R"({"messages": [{"role": "user", "content": "probe"}], "add_generation_prompt": true})", probe);
  if (!prompt) return fail(prompt.error());
  return prompt->has(Origin::kQuestion);
}

RenderOptions ChatFormat::options() const {
  return {.variables = {{"bos_token", bos_}, {"eos_token", eos_}}, .content_as_parts = content_as_parts_};
}

Result<MarkedText> ChatFormat::text(std::string_view context_json, bool continue_final_message) const {
  RenderOptions options = this->options();
  options.continue_final_message = continue_final_message;
  options.require_question = true;
  return program_.render(context_json, options);
}

Result<std::vector<TokenId>> ChatFormat::tokens(std::string_view context_json, bool continue_final_message) const {
  const auto prompt = text(context_json, continue_final_message);
  if (!prompt) return fail(prompt.error());
  // Templates write BOS themselves where the model wants one; where they do not, the tokenizer's rule holds. A prompt is never finished,
  // so there is no EOS to add.
  const bool has_bos =
      !bos_.empty() && prompt->bytes().starts_with(bos_) && (prompt->content().empty() || prompt->content().front().begin >= bos_.size());
  auto ids = tokenizer_->encode(*prompt, {.add_special = !has_bos, .add_eos = false, .parse_special = true});
  if (ids.empty()) return fail(ErrorCode::kInvalidArgument, "The chat template made an empty prompt.");
  return ids;
}

}  // namespace mlxr::text
