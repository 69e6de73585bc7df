// The part that every tokenizer shares: token texts, their kinds, and the special tokens.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>

#include "core/formats/metadata.h"
#include "core/text/tokenizer.h"
#include "core/text/tokenizer_specials.h"

namespace mlxr::text {

// tokenizer.ggml.token_type
enum class TokenKind : std::uint8_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

// Token text -> id. One flat array of (hash, id) with linear probing: building it for 262 000 tokens takes milliseconds,
// because nothing is allocated per token. When a text appears twice, the later id wins, as in the reference implementations.
class TokenTable {
 public:
  explicit TokenTable(std::span<const std::string_view> texts);
  std::optional<TokenId> find(std::string_view text) const;
  // ids[i] = the id of texts[i], or -1. Several times faster than calling find() for each text, because it prefetches the slots.
  void find_all(std::span<const std::string_view> texts, std::span<TokenId> ids) const;

 private:
  TokenId find(std::string_view text, std::uint32_t hash) const;  // -1: none

  struct Slot {
    std::uint32_t hash = 0;
    TokenId id = -1;
  };
  std::span<const std::string_view> texts_;
  std::uint64_t hash_key_;
  std::vector<Slot> slots_;  // a power of two, at most half full
};

struct BosEos {
  std::optional<TokenId> bos, eos;
  bool add_bos = false, add_eos = false;
};

// Immutable; borrows the metadata's strings.
class Vocabulary {
 public:
  // `defaults` apply where the file says nothing, or names a token that the vocabulary lacks. Tokens that begin or end a turn become
  // control tokens even if the file marks them as words. Errors: kCorrupt.
  static Result<Vocabulary> from_metadata(const formats::Metadata& metadata, const BosEos& defaults);

  std::span<const std::string_view> texts() const { return texts_; }
  std::int32_t size() const { return static_cast<std::int32_t>(texts_.size()); }
  bool contains(TokenId id) const { return id >= 0 && id < size(); }
  std::string_view text(TokenId id) const { return texts_[static_cast<std::size_t>(id)]; }
  TokenKind kind(TokenId id) const { return kinds_[static_cast<std::size_t>(id)]; }
  // Tokens that carry no text of an answer: control and unknown.
  bool is_control(TokenId id) const { return kind(id) == TokenKind::kControl || kind(id) == TokenKind::kUnknown; }
  bool ends_generation(TokenId id) const;
  std::optional<TokenId> find(std::string_view text) const { return table_.find(text); }
  void find_all(std::span<const std::string_view> texts, std::span<TokenId> ids) const { table_.find_all(texts, ids); }
  // Whether a special token takes the spaces before it, or after it, with it.
  bool strips_left(TokenId id) const { return std::ranges::binary_search(strips_left_, id); }
  bool strips_right(TokenId id) const { return std::ranges::binary_search(strips_right_, id); }
  // Whether a special token is one only where no word goes on beside it.
  bool is_whole_word(TokenId id) const { return std::ranges::binary_search(whole_words_, id); }
  const BosEos& bos_eos() const { return bos_eos_; }
  // Other tokens to begin and end a text with than those the file calls so.
  void set_ends(std::optional<TokenId> first, std::optional<TokenId> last) { bos_eos_.bos = first, bos_eos_.eos = last; }
  // Sentences about faults of the file that were worked around.
  const std::vector<std::string>& warnings() const { return warnings_; }
  void warn(std::string sentence) { warnings_.push_back(std::move(sentence)); }
  // A token id in the metadata; nothing when the key is absent, or when no token has that id, which adds a warning.
  std::optional<TokenId> special_id(const formats::Metadata& metadata, std::string_view key);
  // The tokens to look for in a text: the user-defined ones, and the control tokens with them.
  const SpecialTokens& specials(bool with_control) const { return with_control ? all_specials_ : user_specials_; }

 private:
  Vocabulary(std::span<const std::string_view> texts, std::vector<TokenKind> kinds, TokenTable table);
  void find_ends();
  void find_borders(const formats::Metadata& metadata);

  std::span<const std::string_view> texts_;
  std::vector<TokenKind> kinds_;
  BosEos bos_eos_;
  TokenTable table_;
  SpecialTokens user_specials_, all_specials_;
  std::vector<TokenId> ends_, strips_left_, strips_right_, whole_words_;  // sorted
  std::vector<std::string> warnings_;
};

// The longest token, in bytes, that is searched for in text: special tokens, and SentencePiece's merges. Searching costs up to this much
// for every byte of a text, and a file decides how long its tokens are; the longest in use have some hundred bytes.
inline constexpr std::size_t kLongestSearched = 1024;

// The methods that do not depend on the algorithm, and the partition of a text by special tokens.
class VocabularyTokenizer : public Tokenizer {
 public:
  explicit VocabularyTokenizer(Vocabulary vocabulary) : vocab_(std::move(vocabulary)) {}

  std::vector<TokenId> encode(std::string_view text, EncodeOptions options) const final;
  std::vector<TokenId> encode(const MarkedText& text, EncodeOptions options) const final;
  std::string piece(TokenId id, bool special) const final;
  std::int32_t vocab_size() const final { return vocab_.size(); }
  std::optional<TokenId> bos() const final { return vocab_.bos_eos().bos; }
  std::optional<TokenId> eos() const final { return vocab_.bos_eos().eos; }
  bool is_control(TokenId id) const final { return vocab_.contains(id) && vocab_.is_control(id); }
  bool ends_generation(TokenId id) const final { return vocab_.ends_generation(id); }
  const std::vector<std::string>& warnings() const final { return vocab_.warnings(); }

 protected:
  // Appends the ids of a text without special tokens: valid UTF-8, not empty. `at_start`: the input begins with it.
  virtual void encode_plain(std::string_view text, bool at_start, std::vector<TokenId>& out) const = 0;
  // The bytes of a token that is neither control nor user-defined.
  virtual std::string plain_piece(TokenId id) const = 0;

  const Vocabulary vocab_;

 private:
  std::vector<TokenId> encode(std::string_view text, std::span<const Span> content, EncodeOptions options) const;
};

// The algorithms. Errors: kCorrupt, kUnsupported.
Result<std::unique_ptr<const Tokenizer>> make_byte_level_bpe(const formats::Metadata& metadata);
Result<std::unique_ptr<const Tokenizer>> make_sentencepiece_bpe(const formats::Metadata& metadata);
Result<std::unique_ptr<const Tokenizer>> make_unigram(const formats::Metadata& metadata);
Result<std::unique_ptr<const Tokenizer>> make_wordpiece(const formats::Metadata& metadata);

}  // namespace mlxr::text
