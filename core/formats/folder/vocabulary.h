// tokenizer.json, tokenizer_config.json, generation_config.json and the chat template, in the words of GGUF (`tokenizer.*`).
//
// Two kinds of BPE are read: byte-level ("gpt2" in GGUF), and that which SentencePiece's models became ("llama": spaces are "▁", bytes
// stand for what has no token). GGUF names the rules that cut a text into words, so rules that have no name there are refused and shown.
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
Result<void> read_special_tokens(const TokenFiles& files, const std::string& folder, std::span<const std::string_view> tokens,
                                 OwnedMetadata& metadata);

// The name in GGUF of the rules that cut a text into words. `pre_tokenizer` and `normalizer` may be null.
// Errors: kUnsupported (rules without a name, which the message shows).
Result<std::string_view> name_of_rules(const Json* pre_tokenizer, const Json* normalizer, bool ignore_merges, const std::string& file);

}  // namespace mlxr::formats
