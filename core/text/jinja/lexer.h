// Cuts a template's source into tokens, with the whitespace rules of trim_blocks and lstrip_blocks already applied.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mlxr::text::jinja {

struct Token {
  enum class Kind { kText, kOutputBegin, kOutputEnd, kBlockBegin, kBlockEnd, kName, kString, kInteger, kFloat, kOperator, kEnd };
  Kind kind;
  std::string text;  // a string without its quotes and with its escapes replaced; numbers without underscores
  int line;
};

// The last token is kEnd. Raises for an unclosed tag, string or comment. `source` is valid UTF-8.
std::vector<Token> tokenize(std::string_view source);

}  // namespace mlxr::text::jinja
