// Text to token ids and back, from the vocabulary that a model file carries.
//
//   auto tokenizer = text::Tokenizer::from_metadata(checkpoint->metadata());
//   auto ids = (*tokenizer)->encode("Hello", {.add_special = true});
//   text::Detokenizer out(**tokenizer);
//   for (auto id : ids) std::cout << out.feed(id);
//   std::cout << out.finish();
//
// A Tokenizer is immutable and safe to use from any thread; it borrows the metadata's strings.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>
#include <mlxrunner/token.h>

#include "core/formats/metadata.h"
#include "core/text/marked_text.h"

namespace mlxr::text {

struct EncodeOptions {
  bool add_special = false;    // put BOS before and EOS after where the file asks for them
  bool add_eos = true;         // false: add_special adds BOS only, because the text will be continued
  bool parse_special = false;  // "<|im_end|>" in the text becomes the control token; user-defined tokens are always recognised
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Picks the algorithm by `tokenizer.ggml.model`: "gpt2" is byte-level BPE, "llama" and "gemma4" are SentencePiece's BPE, "t5" its
  // unigram model, "bert" is WordPiece.
  // Errors: kUnsupported (another model or an unknown pre-tokenizer, by name), kCorrupt (vocabulary that contradicts itself).
  static Result<std::unique_ptr<const Tokenizer>> from_metadata(const formats::Metadata& metadata);

  // Never fails: bytes that are not UTF-8 are encoded as the reference implementation encodes them.
  virtual std::vector<TokenId> encode(std::string_view text, EncodeOptions options = {}) const = 0;
  // The same, but with parse_special a control token is recognised only if the template wrote all of it. Otherwise the origins of the bytes
  // change nothing: words and merges run across their borders. The text must be valid UTF-8.
  virtual std::vector<TokenId> encode(const MarkedText& text, EncodeOptions options = {}) const = 0;

  // The bytes that a token stands for; may be part of a UTF-8 character. Control tokens: "" unless `special` is true, then their name.
  virtual std::string piece(TokenId id, bool special = false) const = 0;

  virtual std::int32_t vocab_size() const = 0;
  virtual std::optional<TokenId> bos() const = 0;
  virtual std::optional<TokenId> eos() const = 0;
  virtual bool is_control(TokenId id) const = 0;
  // True for every token that ends an answer (EOS, <|im_end|>, <end_of_turn>, <|eot_id|>, ...).
  virtual bool ends_generation(TokenId id) const = 0;
  // Sentences about faults of the file that were worked around; usually none.
  virtual const std::vector<std::string>& warnings() const = 0;
};

// Turns a stream of tokens into text. Never emits half a UTF-8 character: incomplete bytes wait for the next token;
// bytes that can no longer become a character come out as U+FFFD.
class Detokenizer {
 public:
  explicit Detokenizer(const Tokenizer& tokenizer) : tokenizer_(&tokenizer) {}

  std::string feed(TokenId id);  // the text that became complete; may be empty
  std::string finish();          // the bytes that were waiting, as U+FFFD

 private:
  const Tokenizer* tokenizer_;
  std::string pending_;
};

}  // namespace mlxr::text
