// What a tokenizer does to a text before it cuts it into words: Unicode's normal forms, lower case, replaced spaces and the like.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>

#include "core/formats/folder/json_value.h"

namespace mlxr::text {

// Steps that are applied in turn. Immutable; safe from any thread.
class Normalizer {
 public:
  using Step = std::function<std::string(std::string)>;

  Normalizer() = default;  // changes nothing
  explicit Normalizer(std::vector<Step> steps) : steps_(std::move(steps)) {}
  static Normalizer nfc();
  // `precompiled_charsmap`, as SentencePiece writes it. Errors: kCorrupt.
  static Result<Normalizer> charsmap(std::string_view bytes);

  // The `normalizer` of tokenizer.json; null: none. Errors: kUnsupported (a step that MLXR does not know, by name), kCorrupt.
  static Result<Normalizer> from_json(const formats::Json* normalizer);

  // The text (valid UTF-8) after all steps; it may be empty. Steps that make it 16 times as long, which no published tokenizer has, are not
  // applied.
  std::string apply(std::string_view text) const;

 private:
  std::vector<Step> steps_;
};

}  // namespace mlxr::text
