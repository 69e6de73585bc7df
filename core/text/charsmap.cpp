#include "core/text/charsmap.h"

#include "core/text/utf8.h"

namespace mlxr::text {
namespace {

// A unit of the trie: a label, an offset to the children's units, whether a text ends here; or, without a label, a value.
std::uint32_t label(std::uint32_t unit) { return unit & (0x80000000u | 0xFFu); }
std::uint32_t offset(std::uint32_t unit) { return (unit >> 10) << ((unit & (1u << 9)) >> 6); }
bool has_value(std::uint32_t unit) { return (unit >> 8 & 1u) != 0; }
std::uint32_t value(std::uint32_t unit) { return unit & 0x7FFFFFFFu; }

std::uint32_t little_endian(std::string_view bytes) {
  std::uint32_t number = 0;
  for (std::size_t i = 4; i-- > 0;) number = number << 8 | static_cast<unsigned char>(bytes[i]);
  return number;
}

constexpr std::size_t kWholeBelow = 6;   // bytes
constexpr std::size_t kMostGrowth = 16;  // of a replacement to what it replaces; the most in use is 11

}  // namespace

Result<Charsmap> Charsmap::parse(std::string_view bytes) {
  auto grapheme = Regex::compile("\\X");
  if (!grapheme) return fail(grapheme.error());
  if (bytes.empty()) return Charsmap({}, {}, *std::move(grapheme));
  const auto damaged = [](const char* what) {
    return fail(ErrorCode::kCorrupt, std::string("The model's tokenizer is damaged: its precompiled_charsmap ") + what + ".");
  };
  if (bytes.size() < 4) return damaged("is shorter than its header");
  const std::size_t trie_bytes = little_endian(bytes);
  bytes.remove_prefix(4);
  if (trie_bytes % 4 != 0 || trie_bytes == 0 || trie_bytes > bytes.size()) return damaged("is shorter than its trie");
  std::vector<std::uint32_t> trie(trie_bytes / 4);
  for (std::size_t i = 0; i < trie.size(); ++i) trie[i] = little_endian(bytes.substr(4 * i));
  std::string replacements(bytes.substr(trie_bytes));
  if (!replacements.empty() && replacements.back() != '\0') return damaged("ends within a replacement");
  if (!utf8_valid(replacements)) return damaged("has replacements that are not UTF-8");
  return Charsmap(std::move(trie), std::move(replacements), *std::move(grapheme));
}

std::optional<std::string_view> Charsmap::replacement(std::string_view text) const {
  std::size_t at = offset(trie_[0]), matched = 0;
  for (const char c : text) {
    ++matched;
    const auto byte = static_cast<unsigned char>(c);
    at ^= byte;
    if (byte == 0 || at >= trie_.size() || label(trie_[at]) != byte) return std::nullopt;
    const std::uint32_t unit = trie_[at];
    at ^= offset(unit);
    if (!has_value(unit)) continue;
    if (at >= trie_.size()) return std::nullopt;
    const std::size_t begin = value(trie_[at]);
    if (begin >= replacements_.size()) return std::nullopt;
    // A value inside a character, in a damaged map, must not make text that is not UTF-8.
    if ((static_cast<unsigned char>(replacements_[begin]) & 0xC0) == 0x80) return std::nullopt;
    const std::size_t length = replacements_.find('\0', begin) - begin;
    return length <= kMostGrowth * matched ? std::optional(std::string_view(replacements_).substr(begin, length)) : std::nullopt;
  }
  return std::nullopt;
}

std::string Charsmap::apply(std::string_view text) const {
  if (trie_.empty()) return std::string(text);
  Regex::Search search;
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  const auto is_ascii = [&](std::size_t at) { return at >= text.size() || static_cast<unsigned char>(text[at]) < 0x80; };
  for (std::size_t at = 0; at < text.size();) {
    // Most characters are ASCII and stand by themselves; only CR and LF are one together.
    std::size_t length = 1;
    if (!is_ascii(at) || !is_ascii(at + 1) || text[at] == '\r') {
      const auto match = grapheme_.find(text, at, search);
      length = match && match->begin == at && match->end > at ? match->end - at : utf8_step(text.substr(at)).length;
    }
    const std::string_view whole = text.substr(at, length);
    at += length;
    if (whole.size() < kWholeBelow) {
      if (const auto other = replacement(whole)) {
        out += *other;
        continue;
      }
    }
    for (std::string_view rest = whole; !rest.empty();) {
      const std::string_view character = rest.substr(0, utf8_step(rest).length);
      out += replacement(character).value_or(character);
      rest.remove_prefix(character.size());
    }
  }
  return out;
}

}  // namespace mlxr::text
