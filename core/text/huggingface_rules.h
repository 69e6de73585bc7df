// The rules of a tokenizer.json that GGUF has no words for: how a text is normalized and cut into words. A folder's reader passes them on
// as JSON under the key `tokenizer.mlxr.rules`: an object with the members `normalizer`, `pre_tokenizer` and `ignore_merges` of
// tokenizer.json, each as it stands there.
#pragma once

#include <optional>
#include <string_view>

#include <mlxrunner/result.h>

#include "core/formats/metadata.h"
#include "core/text/word_rules.h"

namespace mlxr::text {

inline constexpr std::string_view kRulesKey = "tokenizer.mlxr.rules";

// Errors: kUnsupported (a part that MLXR does not know, by name), kCorrupt (not JSON; a damaged charsmap).
Result<WordRules> word_rules_from_json(std::string_view json);

// The rules that the metadata have; nothing when the key is absent. Errors: as above.
Result<std::optional<WordRules>> huggingface_rules(const formats::Metadata& metadata);

}  // namespace mlxr::text
