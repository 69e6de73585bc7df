#include "core/text/tokenizer_vocabulary.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <random>

#include "core/text/keyed_hash.h"

namespace mlxr::text {
namespace {

std::uint32_t hash_of(std::string_view text, std::uint64_t key) {
  std::uint64_t hash = hash_step(key, text.size());
  const char* at = text.data();
  std::size_t left = text.size();
  for (; left >= 8; at += 8, left -= 8) {
    std::uint64_t word;
    std::memcpy(&word, at, 8);
    hash = hash_step(hash, word);
  }
  std::uint64_t tail = 0;
  std::memcpy(&tail, at, left);
  hash = hash_step(hash_step(hash, tail), key);
  return static_cast<std::uint32_t>(hash >> 32);
}

// Names under which the families in use end an answer. The file's EOS, EOT and EOM ids count as well.
constexpr std::array<std::string_view, 22> kEndNames = {
    "<|im_end|>", "<end_of_turn>", "<|eot_id|>", "<|eom_id|>",         "<|end|>",   "<|endoftext|>",    "<|end_of_text|>",
    "</s>",       "<eos>",         "<|return|>", "<|call|>",           "<|calls|>", "<|flush|>",        "<EOT>",
    "_<EOT>",     "[EOT]",         "[EOS]",      "<end_of_utterance>", "<turn|>",   "<|tool_response>", "<｜end▁of▁sentence｜>",
    "[e~["};

std::vector<TokenId> ids_of_kind(const std::vector<TokenKind>& kinds, bool with_control) {
  std::vector<TokenId> ids;
  for (std::size_t i = 0; i < kinds.size(); ++i)
    if (kinds[i] == TokenKind::kUserDefined || (with_control && (kinds[i] == TokenKind::kControl || kinds[i] == TokenKind::kUnknown)))
      ids.push_back(static_cast<TokenId>(i));
  return ids;
}

}  // namespace

std::uint64_t hash_key() {
  static const std::uint64_t key = [] {
    std::random_device device;
    return std::uint64_t{device()} << 32 | device();
  }();
  return key;
}

TokenTable::TokenTable(std::span<const std::string_view> texts)
    : texts_(texts), hash_key_(hash_key()), slots_(std::bit_ceil(std::max<std::size_t>(texts.size() * 2, 2))) {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::uint32_t hash = hash_of(texts[i], hash_key_);
    std::size_t at = hash & mask;
    while (slots_[at].id >= 0 && !(slots_[at].hash == hash && texts[static_cast<std::size_t>(slots_[at].id)] == texts[i]))
      at = (at + 1) & mask;
    slots_[at] = {hash, static_cast<TokenId>(i)};
  }
}

TokenId TokenTable::find(std::string_view text, std::uint32_t hash) const {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = hash & mask; slots_[at].id >= 0; at = (at + 1) & mask)
    if (slots_[at].hash == hash && texts_[static_cast<std::size_t>(slots_[at].id)] == text) return slots_[at].id;
  return -1;
}

std::optional<TokenId> TokenTable::find(std::string_view text) const {
  const TokenId id = find(text, hash_of(text, hash_key_));
  return id >= 0 ? std::optional(id) : std::nullopt;
}

void TokenTable::find_all(std::span<const std::string_view> texts, std::span<TokenId> ids) const {
  constexpr std::size_t kBlock = 64;  // more than a core's outstanding misses, few enough to stay in its first cache
  const std::size_t mask = slots_.size() - 1;
  std::array<std::uint32_t, kBlock> hashes;
  for (std::size_t begin = 0; begin < texts.size(); begin += kBlock) {
    const std::size_t count = std::min(kBlock, texts.size() - begin);
    for (std::size_t i = 0; i < count; ++i) {
      hashes[i] = hash_of(texts[begin + i], hash_key_);
      __builtin_prefetch(&slots_[hashes[i] & mask]);
    }
    const auto first_guess = [&](std::size_t i) { return slots_[hashes[i] & mask].id; };
    for (std::size_t i = 0; i < count; ++i)
      if (first_guess(i) >= 0) __builtin_prefetch(&texts_[static_cast<std::size_t>(first_guess(i))]);
    for (std::size_t i = 0; i < count; ++i)
      if (first_guess(i) >= 0) __builtin_prefetch(texts_[static_cast<std::size_t>(first_guess(i))].data());
    for (std::size_t i = 0; i < count; ++i) ids[begin + i] = find(texts[begin + i], hashes[i]);
  }
}

Result<std::optional<TokenId>> special_id(const formats::Metadata& metadata, std::string_view key, std::size_t vocab_size) {
  const auto id = metadata.integer(key);
  if (!id) return std::nullopt;
  if (*id < 0 || static_cast<std::uint64_t>(*id) >= vocab_size)
    return fail(ErrorCode::kCorrupt, "The model file is damaged: " + std::string(key) + " is " + std::to_string(*id) +
                                         ", but its vocabulary has " + std::to_string(vocab_size) + " tokens. Download it again.");
  return static_cast<TokenId>(*id);
}

Vocabulary::Vocabulary(std::span<const std::string_view> texts, std::vector<TokenKind> kinds, BosEos bos_eos)
    : texts_(texts),
      kinds_(std::move(kinds)),
      bos_eos_(bos_eos),
      table_(texts),
      user_specials_(texts, ids_of_kind(kinds_, false)),
      all_specials_(texts, ids_of_kind(kinds_, true)) {}

Result<Vocabulary> Vocabulary::from_metadata(const formats::Metadata& metadata, const BosEos& defaults) {
  const auto texts = metadata.strings("tokenizer.ggml.tokens");
  if (texts.empty())
    return fail(ErrorCode::kCorrupt, "The model file has no vocabulary: tokenizer.ggml.tokens is missing or empty. Use a complete file.");
  if (texts.size() > static_cast<std::size_t>(std::numeric_limits<TokenId>::max() / 4))
    return fail(ErrorCode::kCorrupt, "The model file is damaged: its vocabulary claims " + std::to_string(texts.size()) + " tokens.");

  std::vector<TokenKind> kinds(texts.size(), TokenKind::kNormal);
  if (metadata.find("tokenizer.ggml.token_type")) {
    const auto types = metadata.integers("tokenizer.ggml.token_type");
    if (types.size() != texts.size())
      return fail(ErrorCode::kCorrupt, "The model file is damaged: tokenizer.ggml.token_type has " + std::to_string(types.size()) +
                                           " integers for " + std::to_string(texts.size()) + " tokens. Download it again.");
    for (std::size_t i = 0; i < types.size(); ++i) {
      if (types[i] < 0 || types[i] > 6)
        return fail(ErrorCode::kCorrupt, "The model file is damaged: token " + std::to_string(i) + " has the type " +
                                             std::to_string(types[i]) + "; types go from 1 to 6. Download it again.");
      kinds[i] = types[i] == 0 ? TokenKind::kNormal : static_cast<TokenKind>(types[i]);  // 0 is "undefined"
    }
  }

  BosEos ends = defaults;
  if (ends.bos && static_cast<std::size_t>(*ends.bos) >= texts.size()) ends.bos.reset();
  if (ends.eos && static_cast<std::size_t>(*ends.eos) >= texts.size()) ends.eos.reset();
  const auto bos = special_id(metadata, "tokenizer.ggml.bos_token_id", texts.size());
  if (!bos) return fail(bos.error());
  const auto eos = special_id(metadata, "tokenizer.ggml.eos_token_id", texts.size());
  if (!eos) return fail(eos.error());
  if (*bos) ends.bos = *bos;
  if (*eos) ends.eos = *eos;
  ends.add_bos = metadata.boolean("tokenizer.ggml.add_bos_token").value_or(defaults.add_bos);
  ends.add_eos = metadata.boolean("tokenizer.ggml.add_eos_token").value_or(defaults.add_eos);

  Vocabulary vocabulary(texts, std::move(kinds), ends);
  for (const auto key : {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
    const auto id = special_id(metadata, key, texts.size());
    if (!id) return fail(id.error());
    if (const auto& end = *id) vocabulary.ends_.push_back(*end);
  }
  vocabulary.find_ends();
  return vocabulary;
}

void Vocabulary::find_ends() {
  const auto is_end = [&](std::string_view name) { return std::ranges::any_of(ends_, [&](TokenId id) { return text(id) == name; }); };
  if (bos_eos_.eos) ends_.push_back(*bos_eos_.eos);
  for (const auto name : kEndNames) {
    const auto id = find(name);
    // In vocabularies with HTML tags "</s>" is strikethrough, not an end: there it is not a control token.
    if (id && (name != "</s>" || kind(*id) == TokenKind::kControl)) ends_.push_back(*id);
  }
  // The harmony format ends with <|return|> or <|call|>; <|end|> only closes one of several messages.
  if ((is_end("<|return|>") && is_end("<|call|>")) || (is_end("<|calls|>") && is_end("<|flush|>")))
    std::erase_if(ends_, [&](TokenId id) { return text(id) == "<|end|>"; });
  std::ranges::sort(ends_);
  ends_.erase(std::unique(ends_.begin(), ends_.end()), ends_.end());
}

bool Vocabulary::ends_generation(TokenId id) const { return std::ranges::binary_search(ends_, id); }

}  // namespace mlxr::text
