// What all tokenizers have in common: special tokens are found first, and the text between them goes to the algorithm.
//
// Text that is not UTF-8: every maximal subpart that is not a character becomes U+FFFD before anything else looks at it. Hugging Face's
// `tokenizers` take text, so this is what a Python program that decodes with errors="replace" gets from them; llama.cpp replaces byte
// by byte (BPE) or falls back to byte tokens (SentencePiece), which differs for truncated characters only in the number of U+FFFD.
#include "core/text/tokenizer.h"

#include "core/formats/printable.h"
#include "core/text/regex.h"
#include "core/text/tokenizer_vocabulary.h"
#include "core/text/utf8.h"

namespace mlxr::text {
namespace {

// Unicode's White_Space.
bool is_white_space(char32_t c) {
  return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

std::size_t length_of_leading_space(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size() && is_white_space(utf8_code_point(text.substr(at)))) at += utf8_step(text.substr(at)).length;
  return at;
}

std::string_view last_character(std::string_view text) {
  std::size_t at = text.size() - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return text.substr(at);
}

std::string_view without_trailing_space(std::string_view text) {
  while (!text.empty() && is_white_space(utf8_code_point(last_character(text)))) text.remove_suffix(last_character(text).size());
  return text;
}

// \w of Rust's regular expressions, which is Hugging Face's idea of a word's letters.
bool is_of_a_word(std::string_view character) {
  static const auto letter = Regex::compile(
      R"([\p{L}\p{M}\p{Nl}\p{Nd}\p{Pc}\x{200C}\x{200D}\x{24B6}-\x{24E9}\x{1F130}-\x{1F149}\x{1F150}-\x{1F169}\x{1F170}-\x{1F189}])");
  Regex::Search search;
  return letter && letter->find(character, 0, search).has_value();
}

// Whether a word goes on beside a part of the text.
bool touches_a_word(std::string_view text, std::size_t begin, std::size_t end) {
  return (begin > 0 && is_of_a_word(last_character(text.substr(0, begin)))) ||
         (end < text.size() && is_of_a_word(text.substr(end, utf8_step(text.substr(end)).length)));
}

}  // namespace

Result<std::unique_ptr<const Tokenizer>> Tokenizer::from_metadata(const formats::Metadata& metadata) {
  const auto model = metadata.string("tokenizer.ggml.model");
  if (!model) return fail(ErrorCode::kCorrupt, "The model file has no tokenizer: tokenizer.ggml.model is missing. Use a complete file.");
  // Files of these kinds are SentencePiece's BPE, although some are marked as byte-level.
  const auto pre = metadata.string("tokenizer.ggml.pre").value_or("");
  const bool marked = pre == "gemma4" || pre == "granite-embed-multi-311m" || pre == "sarvam-moe";
  if (*model == "llama" || *model == "gemma4" || (*model == "gpt2" && marked)) return make_sentencepiece_bpe(metadata);
  if (*model == "gpt2") return make_byte_level_bpe(metadata);
  if (*model == "t5") return make_unigram(metadata);
  if (*model == "bert") return make_wordpiece(metadata);
  return fail(ErrorCode::kUnsupported, "The model file's tokenizer is of the kind " + formats::printable(*model) +
                                           "; MLXR supports \"gpt2\", \"llama\", \"gemma4\", \"t5\" and "
                                           "\"bert\".");
}

std::vector<TokenId> VocabularyTokenizer::encode(std::string_view text, EncodeOptions options) const {
  return utf8_valid(text) ? encode(text, {}, options) : encode(utf8_repair(text), {}, options);
}

std::vector<TokenId> VocabularyTokenizer::encode(const MarkedText& text, EncodeOptions options) const {
  return encode(text.bytes(), text.content(), options);
}

std::vector<TokenId> VocabularyTokenizer::encode(std::string_view text, std::span<const Span> content, EncodeOptions options) const {
  const BosEos& ends = vocab_.bos_eos();
  std::vector<TokenId> out;
  out.reserve(text.size() / 3 + 2);
  if (options.add_special && ends.add_bos && ends.bos) out.push_back(*ends.bos);

  // Only the template's text may contain control tokens. `content` shrinks as the scan passes its spans.
  const auto counts = [&](const SpecialTokens::Match& match) {
    if (!vocab_.is_control(match.id)) return true;
    while (!content.empty() && content.front().end <= match.offset) content = content.subspan(1);
    return content.empty() || content.front().begin >= match.offset + match.length;
  };
  const SpecialTokens& specials = vocab_.specials(options.parse_special);
  const auto touches = [&](const SpecialTokens::Match& match) {
    return vocab_.is_whole_word(match.id) && touches_a_word(text, match.offset, match.offset + match.length);
  };
  for (std::size_t at = 0; at < text.size();) {
    auto match = specials.next(text, at, counts);
    while (match && touches(*match)) match = specials.next(text, match->offset + match->length, counts);
    const std::size_t end = match ? match->offset : text.size();
    std::string_view plain = text.substr(at, end - at);
    if (match && vocab_.strips_left(match->id)) plain = without_trailing_space(plain);
    if (!plain.empty()) encode_plain(plain, at == 0, out);
    if (match) out.push_back(match->id);
    at = match ? end + match->length : end;
    if (match && vocab_.strips_right(match->id)) at += length_of_leading_space(text.substr(at));
  }

  if (options.add_special && options.add_eos && ends.add_eos && ends.eos) out.push_back(*ends.eos);
  return out;
}

std::string VocabularyTokenizer::piece(TokenId id, bool special) const {
  if (!vocab_.contains(id)) return {};
  if (vocab_.is_control(id)) return special ? std::string(vocab_.text(id)) : std::string();
  if (vocab_.kind(id) == TokenKind::kUserDefined) return std::string(vocab_.text(id));
  return plain_piece(id);
}

}  // namespace mlxr::text
