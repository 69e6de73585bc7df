// A query and a document as one prompt, for models that score how well the one answers the other.
#pragma once

#include <string_view>

#include <mlxrunner/token.h>

#include "core/formats/metadata.h"
#include "core/text/tokenizer.h"

namespace mlxr::text {

// By the file's own template (`tokenizer.chat_template.rerank`), else as cross-encoders are trained: each text between the tokenizer's
// special tokens. Bytes that are not UTF-8 become U+FFFD.
Pair encode_pair(const Tokenizer& tokenizer, const formats::Metadata& metadata, std::string_view query, std::string_view document);

}  // namespace mlxr::text
