// Vocabularies small enough to be read: the metadata of a file that does not exist.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/formats/metadata.h"
#include "core/text/tokenizer.h"

namespace mlxr::text {

using Strings = std::vector<std::string_view>;
using Integers = std::vector<std::int64_t>;

// Tokens 0-7: letters and merges of "hello"; 8: a control token; 9: a user-defined token; 10: "Ġ", a space.
struct BpeModel {
  Strings tokens = {"h", "e", "l", "o", "he", "ll", "hell", "hello", "<|im_end|>", "<tool>", "Ġ"};
  Integers types = {1, 1, 1, 1, 1, 1, 1, 1, 3, 4, 1};
  Strings merges = {"h e", "l l", "he ll", "hell o"};
  std::string_view pre = "gpt-2";
  std::int64_t eos = 8;

  formats::Metadata metadata() const {
    formats::Metadata out;
    out.insert("tokenizer.ggml.model", std::string_view("gpt2"));
    if (!pre.empty()) out.insert("tokenizer.ggml.pre", pre);
    out.insert("tokenizer.ggml.tokens", tokens);
    out.insert("tokenizer.ggml.token_type", types);
    out.insert("tokenizer.ggml.merges", merges);
    out.insert("tokenizer.ggml.eos_token_id", eos);
    return out;
  }
};

}  // namespace mlxr::text
