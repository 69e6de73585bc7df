#include "core/text/tokenizer_vocabulary.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <utility>

#include "core/text/keyed_hash.h"
#include "core/text/utf8.h"

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

// In vocabularies with HTML tags this is strikethrough and not an end: there it is not a control token.
constexpr std::string_view kStrikethrough = "</s>";

// Names under which the families in use end an answer. The file's EOS, EOT and EOM ids count as well.
constexpr std::array<std::string_view, 22> kEndNames = {
    "<|im_end|>",   "<end_of_turn>", "<|eot_id|>", "<|eom_id|>",         "<|end|>",   "<|endoftext|>",    "<|end_of_text|>",
    kStrikethrough, "<eos>",         "<|return|>", "<|call|>",           "<|calls|>", "<|flush|>",        "<EOT>",
    "_<EOT>",       "[EOT]",         "[EOS]",      "<end_of_utterance>", "<turn|>",   "<|tool_response>", "<｜end▁of▁sentence｜>",
    "[e~["};

// Names of tokens that begin a turn or separate its pieces. Files made from fine-tunes often mark these, and those above, as words.
constexpr std::array<std::string_view, 22> kTurnNames = {"<start_of_turn>",
                                                         "<|im_start|>",
                                                         "<|im_sep|>",
                                                         "<|start_header_id|>",
                                                         "<|end_header_id|>",
                                                         "<|begin_of_text|>",
                                                         "<|start_of_role|>",
                                                         "<|end_of_role|>",
                                                         "<|START_OF_TURN_TOKEN|>",
                                                         "<|END_OF_TURN_TOKEN|>",
                                                         "<|SYSTEM_TOKEN|>",
                                                         "<|USER_TOKEN|>",
                                                         "<|CHATBOT_TOKEN|>",
                                                         "<|system|>",
                                                         "<|user|>",
                                                         "<|assistant|>",
                                                         "<｜begin▁of▁sentence｜>",
                                                         "<｜User｜>",
                                                         "<｜Assistant｜>",
                                                         "<|start|>",
                                                         "<|channel|>",
                                                         "<|message|>"};

void mark_turn_tokens(const TokenTable& table, std::vector<TokenKind>& kinds) {
  const auto mark = [&](std::string_view name) {
    const auto id = table.find(name);
    if (!id) return;
    TokenKind& kind = kinds[static_cast<std::size_t>(*id)];
    if (kind == TokenKind::kNormal || kind == TokenKind::kUserDefined) kind = TokenKind::kControl;
  };
  for (const auto name : kTurnNames) mark(name);
  for (const auto name : kEndNames)
    if (name != kStrikethrough) mark(name);
}

// A token that is a part of a character is in no text: between two tokens there are whole characters, which regular expressions rely on.
std::vector<TokenId> ids_of_kind(std::span<const std::string_view> texts, const std::vector<TokenKind>& kinds, bool with_control) {
  std::vector<TokenId> ids;
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    const bool control = kinds[i] == TokenKind::kControl || kinds[i] == TokenKind::kUnknown;
    const bool searched = kinds[i] == TokenKind::kUserDefined || (with_control && control);
    if (searched && texts[i].size() <= kLongestSearched && utf8_valid(texts[i])) ids.push_back(static_cast<TokenId>(i));
  }
  return ids;
}

std::string of_another_kind(const formats::Metadata& metadata, std::string_view key, std::string_view wanted) {
  const formats::Value* value = metadata.find(key);
  return "MLXR cannot read this model file: " + std::string(key) + " is " + std::string(formats::kind_of(*value)) + ", not " +
         std::string(wanted) + ".";
}

Result<std::vector<TokenKind>> read_kinds(const formats::Metadata& metadata, std::size_t count, std::vector<std::string>& warnings) {
  constexpr std::string_view kKey = "tokenizer.ggml.token_type";
  std::vector<TokenKind> kinds(count, TokenKind::kNormal);
  if (!metadata.find(kKey)) return kinds;
  const auto types = metadata.numbers(kKey);
  if (!types) return fail(ErrorCode::kUnsupported, of_another_kind(metadata, kKey, "a list of integers"));
  if (types->size() != count)
    return fail(ErrorCode::kCorrupt, "The model file is damaged: " + std::string(kKey) + " has " + std::to_string(types->size()) +
                                         " integers for " + std::to_string(count) + " tokens. Download it again.");
  std::size_t unknown = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const float type = (*types)[i];
    if (type >= 1 && type <= 6) kinds[i] = static_cast<TokenKind>(type);
    unknown += !(type >= 0 && type <= 6);  // 0 is "undefined"
  }
  if (unknown > 0) warnings.push_back(std::to_string(unknown) + " tokens have a type that MLXR does not know; they count as words.");
  return kinds;
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
  constexpr std::size_t kBlock = 64;  // more slots than a core can fetch at once, and few enough to stay in its first-level cache
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

std::optional<TokenId> Vocabulary::special_id(const formats::Metadata& metadata, std::string_view key) {
  const auto id = metadata.integer(key);
  if (!id) return std::nullopt;
  if (*id >= 0 && *id < size()) return static_cast<TokenId>(*id);
  if (*id != -1 && *id != std::numeric_limits<std::uint32_t>::max())  // both mean "none"
    warn(std::string(key) + " is " + std::to_string(*id) + ", but the vocabulary has " + std::to_string(size()) +
         " tokens; the key is ignored.");
  return std::nullopt;
}

Vocabulary::Vocabulary(std::span<const std::string_view> texts, std::vector<TokenKind> kinds, TokenTable table)
    : texts_(texts),
      kinds_(std::move(kinds)),
      table_(std::move(table)),
      user_specials_(texts, ids_of_kind(texts, kinds_, false)),
      all_specials_(texts, ids_of_kind(texts, kinds_, true)) {}

Result<Vocabulary> Vocabulary::from_metadata(const formats::Metadata& metadata, const BosEos& defaults) {
  constexpr std::string_view kTokens = "tokenizer.ggml.tokens";
  const auto texts = metadata.strings(kTokens);
  if (texts.empty() && metadata.find(kTokens) && !std::holds_alternative<std::vector<std::string_view>>(*metadata.find(kTokens)))
    return fail(ErrorCode::kUnsupported, of_another_kind(metadata, kTokens, "a list of strings"));
  if (texts.empty())
    return fail(ErrorCode::kCorrupt, "The model file has no vocabulary: tokenizer.ggml.tokens is missing or empty. Use a complete file.");
  if (texts.size() > static_cast<std::size_t>(std::numeric_limits<TokenId>::max() / 4))
    return fail(ErrorCode::kCorrupt, "The model file is damaged: its vocabulary claims " + std::to_string(texts.size()) + " tokens.");

  std::vector<std::string> warnings;
  auto kinds = read_kinds(metadata, texts.size(), warnings);
  if (!kinds) return fail(kinds.error());
  TokenTable table(texts);
  mark_turn_tokens(table, *kinds);

  Vocabulary vocabulary(texts, std::move(*kinds), std::move(table));
  vocabulary.warnings_ = std::move(warnings);
  BosEos& ends = vocabulary.bos_eos_ = defaults;
  if (ends.bos && !vocabulary.contains(*ends.bos)) ends.bos.reset();
  if (ends.eos && !vocabulary.contains(*ends.eos)) ends.eos.reset();
  if (const auto bos = vocabulary.special_id(metadata, "tokenizer.ggml.bos_token_id")) ends.bos = bos;
  if (const auto eos = vocabulary.special_id(metadata, "tokenizer.ggml.eos_token_id")) ends.eos = eos;
  ends.add_bos = metadata.boolean("tokenizer.ggml.add_bos_token").value_or(defaults.add_bos);
  ends.add_eos = metadata.boolean("tokenizer.ggml.add_eos_token").value_or(defaults.add_eos);
  for (const auto key : {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"})
    if (const auto end = vocabulary.special_id(metadata, key)) vocabulary.ends_.push_back(*end);
  for (const auto id : metadata.integers("tokenizer.ggml.eos_token_ids"))
    if (id >= 0 && id < vocabulary.size()) vocabulary.ends_.push_back(static_cast<TokenId>(id));
  vocabulary.find_ends();
  vocabulary.find_borders(metadata);
  return vocabulary;
}

void Vocabulary::find_ends() {
  const auto is_end = [&](std::string_view name) { return std::ranges::any_of(ends_, [&](TokenId id) { return text(id) == name; }); };
  if (bos_eos_.eos) ends_.push_back(*bos_eos_.eos);
  for (const auto name : kEndNames) {
    const auto id = find(name);
    if (id && (name != kStrikethrough || kind(*id) == TokenKind::kControl)) ends_.push_back(*id);
  }
  // The harmony format ends with <|return|> or <|call|>; <|end|> only closes one of several messages.
  if ((is_end("<|return|>") && is_end("<|call|>")) || (is_end("<|calls|>") && is_end("<|flush|>")))
    std::erase_if(ends_, [&](TokenId id) { return text(id) == "<|end|>"; });
  std::ranges::sort(ends_);
  ends_.erase(std::unique(ends_.begin(), ends_.end()), ends_.end());
}

void Vocabulary::find_borders(const formats::Metadata& metadata) {
  for (const auto& [key, ids] : {std::pair("tokenizer.mlxr.strips_left", &strips_left_),
                                 {"tokenizer.mlxr.strips_right", &strips_right_},
                                 {"tokenizer.mlxr.whole_words", &whole_words_}}) {
    for (const auto id : metadata.integers(key))
      if (id >= 0 && id < size()) ids->push_back(static_cast<TokenId>(id));
  }
  // GGUF has no key for it. Of the families in use only Phi-3's chats depend on it, and their files are known by the name.
  std::string name(metadata.string("general.name").value_or(""));
  std::ranges::transform(name, name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  if (strips_right_.empty() && (name.find("phi-3") != name.npos || name.find("phi3") != name.npos)) {
    for (TokenId id = 0; id < size(); ++id) {
      const bool is_word = kind(id) != TokenKind::kControl && kind(id) != TokenKind::kUserDefined && text(id) != kStrikethrough;
      if (!is_word && text(id) != "<s>" && text(id) != "<|endoftext|>") strips_right_.push_back(id);
    }
  }
  std::ranges::sort(strips_left_);
  std::ranges::sort(strips_right_);
  std::ranges::sort(whole_words_);
}

bool Vocabulary::ends_generation(TokenId id) const { return std::ranges::binary_search(ends_, id); }

}  // namespace mlxr::text
