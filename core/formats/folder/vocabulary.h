// tokenizer.json, tokenizer_config.json, generation_config.json and the chat template, in the words of GGUF (`tokenizer.*`).
//
// Read are byte-level BPE ("gpt2" in GGUF), the BPE that SentencePiece's models became ("llama": spaces are "▁", bytes stand for what has
// no token), unigram models ("t5") and WordPiece ("bert"). What GGUF has no words for stands under keys of MLXR's own:
// `tokenizer.mlxr.rules` (how a text is normalized and cut into words), `tokenizer.mlxr.strips_left` and `.strips_right` (ids of the tokens
// that take the spaces beside them with them).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>

#include "core/formats/folder/config.h"
#include "core/formats/folder/folder_files.h"
#include "core/formats/folder/json_value.h"
#include "core/formats/folder/owned_metadata.h"

namespace mlxr::formats {

// Errors: kCorrupt; kUnsupported (no tokenizer.json; a kind of tokenizer, or a part of it, that MLXR does not know, by name).
Result<void> read_vocabulary(const FolderFiles& folder, const ModelConfig& model, OwnedMetadata& metadata);

// The parts of read_vocabulary(). `file` names the file in messages.

// The tokens by id, from tokenizer.json. Adds them with their types, merges or scores, and how they are applied.
Result<std::vector<std::string_view>> read_tokens(const Json& tokenizer, const std::string& file, std::int64_t count,
                                                  OwnedMetadata& metadata);

// What stands beside tokenizer.json. Any of them may be null.
struct TokenFiles {
  const Json* tokenizer = nullptr;   // tokenizer.json
  const Json* settings = nullptr;    // tokenizer_config.json
  const Json* generation = nullptr;  // generation_config.json
  const Json* config = nullptr;      // the language model's part of config.json
};
// Adds the ids of the tokens with a part to play, and whether a text begins and ends with them.
Result<void> read_special_tokens(const TokenFiles& files, std::span<const std::string_view> tokens, OwnedMetadata& metadata);

// The steps of a part of tokenizer.json, which may be a sequence of them under the name `list`. `part` may be null.
std::vector<const Json*> steps_of(const Json* part, std::string_view list);

// How a text is normalized and cut into words: the value of `tokenizer.mlxr.rules` (core/text/huggingface_rules.h).
// Errors: kUnsupported (a part that MLXR does not know, by name).
Result<std::string> rules_as_json(const Json& tokenizer, const std::string& file);

// Adds the same for byte-level BPE: by the name that GGUF has for such rules, and as JSON where it has none. Errors: as above.
Result<void> add_byte_level_rules(const Json& tokenizer, const std::string& file, OwnedMetadata& metadata);

}  // namespace mlxr::formats
