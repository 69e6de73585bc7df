// How one model writes chats: the template of its file, the names of its first and last token, and whether the template expects the
// content of messages as a string or as parts. Turns messages into the token ids of a prompt.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>

#include "core/text/chat_template.h"
#include "core/text/tokenizer.h"

namespace mlxr::text {

// Immutable; safe from any thread.
class ChatFormat {
 public:
  // `source` is the file's template; if it is empty, a plain one is used: "User: ...\nAssistant:". Renders a test message, to find out in
  // which form the template prints the content. The tokenizer must outlive the ChatFormat.
  // Errors: kUnsupported (a template that does not parse, or prints the content in neither form).
  static Result<ChatFormat> make(std::string_view source, const Tokenizer& tokenizer);

  // The prompt for a JSON object with `messages`. Errors: those of ChatTemplate::render.
  Result<MarkedText> text(std::string_view context_json, bool continue_final_message) const;
  // The same as tokens. Text of the conversation never becomes a control token.
  Result<std::vector<TokenId>> tokens(std::string_view context_json, bool continue_final_message) const;

  bool content_as_parts() const { return content_as_parts_; }

 private:
  ChatFormat(ChatTemplate program, const Tokenizer& tokenizer);
  // Whether a message's text is in the prompt when its content has this form. Errors: the template raised one.
  Result<bool> prints_content(bool as_parts) const;
  RenderOptions options() const;

  ChatTemplate program_;
  const Tokenizer* tokenizer_;
  std::string bos_, eos_;
  bool content_as_parts_ = false;
};

}  // namespace mlxr::text
