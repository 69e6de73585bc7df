// How one model writes chats: the templates of its file, the names of its first and last token, and whether a template expects the content
// of messages as a string or as parts. Turns messages into the token ids of a prompt.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>

#include "core/text/chat_template.h"
#include "core/text/tokenizer.h"

namespace mlxr::text {

// The templates of a model's file. An empty one is not there.
struct ChatTemplates {
  std::string_view standard;    // without one, a plain one is used: "User: ...\nAssistant:"
  std::string_view with_tools;  // "tool_use", for requests with tools; without one they get the other
};

// They refer to the metadata's texts.
ChatTemplates chat_templates(const formats::Metadata& metadata);

// Immutable; safe from any thread.
class ChatFormat {
 public:
  // Renders a test message with each template, to find out in which form it prints the content. The tokenizer must outlive the ChatFormat.
  // Errors: kUnsupported (the standard template does not parse, or prints the content in neither form).
  static Result<ChatFormat> make(ChatTemplates sources, const Tokenizer& tokenizer);

  // The prompt for a JSON object with `messages`. Errors: those of ChatTemplate::render, and, where the context has tools, those of make()
  // with the template for them.
  Result<MarkedText> text(std::string_view context_json, bool continue_final_message) const;
  // The same as tokens. Text of the conversation never becomes a control token.
  Result<std::vector<TokenId>> tokens(std::string_view context_json, bool continue_final_message) const;

 private:
  struct Form {
    ChatTemplate program;
    bool content_as_parts = false;
  };

  explicit ChatFormat(const Tokenizer& tokenizer);
  Result<Form> make_form(std::string_view source) const;
  // Whether a message's text is in the prompt when its content has the form's. Errors: the template raised one.
  Result<bool> prints_content(const Form& form) const;
  RenderOptions options(const Form& form) const;
  const Result<Form>& form_for(std::string_view context_json) const;

  const Tokenizer* tokenizer_;
  std::string bos_, eos_;
  Result<Form> standard_;
  std::optional<Result<Form>> with_tools_;
};

}  // namespace mlxr::text
