// Cuts text into the words within which a tokenizer looks for tokens. Each model was trained with one set of rules: in GGUF the file names
// it, in tokenizer.json the file spells it out (huggingface_rules.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>

#include "core/text/regex.h"

namespace mlxr::text {

// The rules of one `tokenizer.ggml.pre` name.
struct PretokenizerRules {
  std::vector<std::string_view> patterns;  // applied in turn, each to the pieces that the previous one left
  int threes = -1;                         // whose matches are cut in threes: the index of a pattern, or -1
  bool ignore_merges = false;              // a word that is itself a token is not split, even if no merges lead to it
  bool add_bos = false;                    // used when the file does not say
  bool nfc = false;                        // text is brought into the normal form NFC first
};

// Errors: kUnsupported (an unknown name; the message has it).
Result<PretokenizerRules> pretokenizer_rules(std::string_view name);

// What becomes of the matches of a pattern.
enum class SplitBehavior : std::uint8_t {
  kIsolated,            // each match is a word, and so is what is between two matches
  kRemoved,             // matches are dropped
  kMergedWithPrevious,  // a match is the end of the word before it
  kMergedWithNext,      // a match is the beginning of the word after it
  kContiguous,          // matches without anything between them are one word
};

struct SplitStep {
  Regex pattern;
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;     // what is between two matches counts as the match
  bool in_threes = false;  // a match is cut into groups of three characters, counted from its end: 1|234|567
};

// Safe from any thread.
class Pretokenizer {
 public:
  // Each step is applied to the words that the previous one left. Without steps a text is one word.
  explicit Pretokenizer(std::vector<SplitStep> steps) : steps_(std::move(steps)) {}
  // Patterns of MLXR's own, isolated. Errors: kInternal (a pattern does not compile).
  static Result<Pretokenizer> compile(const std::vector<std::string_view>& patterns, int threes = -1);

  // The words of `text` (valid UTF-8) in order, none empty.
  std::vector<std::string_view> split(std::string_view text) const;

 private:
  std::vector<SplitStep> steps_;
};

}  // namespace mlxr::text
