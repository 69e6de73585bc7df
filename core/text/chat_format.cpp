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

ChatTemplates chat_templates(const formats::Metadata& metadata) {
  return {.standard = metadata.string("tokenizer.chat_template").value_or(""),
          .with_tools = metadata.string("tokenizer.chat_template.tool_use").value_or("")};
}

ChatFormat::ChatFormat(const Tokenizer& tokenizer)
    : tokenizer_(&tokenizer), standard_(fail(ErrorCode::kNotFound, "The model has no chat template.")) {
  if (tokenizer.bos()) bos_ = utf8_repair(tokenizer.piece(*tokenizer.bos(), true));
  if (tokenizer.eos()) eos_ = utf8_repair(tokenizer.piece(*tokenizer.eos(), true));
}

Result<ChatFormat> ChatFormat::make(ChatTemplates sources, const Tokenizer& tokenizer) {
  ChatFormat format(tokenizer);
  format.standard_ = format.make_form(sources.standard.empty() ? kPlainTemplate : sources.standard);
  if (!format.standard_) return fail(format.standard_.error());
  if (!sources.with_tools.empty()) format.with_tools_ = format.make_form(sources.with_tools);
  return format;
}

Result<ChatFormat::Form> ChatFormat::make_form(std::string_view source) const {
  auto program = ChatTemplate::parse(source);
  if (!program) return unusable(program.error());
  Form form{std::move(*program)};
  const auto as_string = prints_content(form);
  if (as_string && *as_string) return form;
  form.content_as_parts = true;
  const auto as_parts = prints_content(form);
  if (as_parts && *as_parts) return form;
  if (as_string)
    return unusable({ErrorCode::kUnsupported, "chat template: it prints a user's message neither from a string nor from parts"});
  form.content_as_parts = false;
  return form;  // a template that raises here may need more than one message; it says what when it is used
}

Result<bool> ChatFormat::prints_content(const Form& form) const {
  const auto prompt =
      form.program.render(R"({"messages": [{"role": "user", "content": "probe"}], "add_generation_prompt": true})", options(form));
  if (!prompt) return fail(prompt.error());
  return prompt->has(Origin::kQuestion);
}

RenderOptions ChatFormat::options(const Form& form) const {
  return {.variables = {{"bos_token", bos_}, {"eos_token", eos_}}, .content_as_parts = form.content_as_parts};
}

const Result<ChatFormat::Form>& ChatFormat::form_for(std::string_view context_json) const {
  return with_tools_ && ChatTemplate::gives_tools(context_json) ? *with_tools_ : standard_;
}

Result<MarkedText> ChatFormat::text(std::string_view context_json, bool continue_final_message) const {
  const auto& form = form_for(context_json);
  if (!form) return fail(form.error());
  RenderOptions options = this->options(*form);
  options.continue_final_message = continue_final_message;
  options.require_question = true;
  return form->program.render(context_json, options);
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
