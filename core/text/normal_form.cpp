#include "core/text/normal_form.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <span>
#include <unordered_map>
#include <vector>

#include "core/text/utf8.h"

namespace mlxr::text {
namespace {

struct Decomposition {
  char32_t whole, first, second;  // second 0: a character that is always replaced by another one
  bool composes;                  // whether first and second become the whole again
};

// What a character stands for beside its looks ("ﬁ", "²", "Ａ"): a part of kCompatibilityText.
struct CompatibilityDecomposition {
  char32_t whole;
  std::uint16_t begin, length;
};

struct CombiningClass {
  char32_t from, to;
  std::uint8_t value;  // of characters not listed: 0
};

}  // namespace
}  // namespace mlxr::text

#include "core/text/normal_forms_table.inc.h"

namespace mlxr::text {
namespace {

// Hangul syllables are composed by arithmetic (The Unicode Standard, section 3.12).
constexpr char32_t kSyllables = 0xAC00, kLeads = 0x1100, kVowels = 0x1161, kTails = 0x11A7;
constexpr char32_t kLeadCount = 19, kVowelCount = 21, kTailCount = 28, kSyllableCount = kLeadCount * kVowelCount * kTailCount;

struct Character {
  char32_t code;
  std::uint8_t combining_class;
};

std::uint8_t combining_class(char32_t c) {
  const auto* at = std::ranges::lower_bound(kCombiningClasses, c, {}, &CombiningClass::to);
  return at != std::end(kCombiningClasses) && at->from <= c ? at->value : 0;
}

bool keeps_looks(NormalForm form) { return form == NormalForm::kNfc || form == NormalForm::kNfd; }

void decompose(char32_t c, NormalForm form, std::vector<Character>& out) {
  if (c - kSyllables < kSyllableCount) {
    const char32_t i = c - kSyllables, tail = i % kTailCount;
    out.push_back({kLeads + i / (kVowelCount * kTailCount), 0});
    out.push_back({kVowels + i / kTailCount % kVowelCount, 0});
    if (tail != 0) out.push_back({kTails + tail, 0});
    return;
  }
  if (const auto* at = std::ranges::lower_bound(kDecompositions, c, {}, &Decomposition::whole);
      at != std::end(kDecompositions) && at->whole == c) {
    decompose(at->first, form, out);
    if (at->second != 0) decompose(at->second, form, out);
    return;
  }
  if (!keeps_looks(form)) {
    const auto* at = std::ranges::lower_bound(kCompatibilityDecompositions, c, {}, &CompatibilityDecomposition::whole);
    if (at != std::end(kCompatibilityDecompositions) && at->whole == c) {
      for (const char32_t part : std::span(kCompatibilityText).subspan(at->begin, at->length)) decompose(part, form, out);
      return;
    }
  }
  out.push_back({c, combining_class(c)});
}

// The character that two make, or 0.
char32_t composed(char32_t a, char32_t b) {
  if (a - kLeads < kLeadCount && b - kVowels < kVowelCount) return kSyllables + ((a - kLeads) * kVowelCount + (b - kVowels)) * kTailCount;
  if (a - kSyllables < kSyllableCount && (a - kSyllables) % kTailCount == 0 && b - kTails - 1 < kTailCount - 1) return a + (b - kTails);
  static const auto pairs = [] {
    std::unordered_map<std::uint64_t, char32_t> map;
    for (const auto& d : kDecompositions)
      if (d.composes) map.emplace(std::uint64_t{d.first} << 32 | d.second, d.whole);
    return map;
  }();
  const auto at = pairs.find(std::uint64_t{a} << 32 | b);
  return at == pairs.end() ? 0 : at->second;
}

// Joins each character to the last starter before it where nothing of its class or a higher one stands between them.
void compose(std::vector<Character>& text) {
  std::size_t kept = 0, starter = text.size();
  int last_class = -1;  // of the characters kept since the starter
  for (const Character c : text) {
    if (starter < kept && last_class < c.combining_class) {
      if (const char32_t whole = composed(text[starter].code, c.code)) {
        text[starter].code = whole;
        continue;
      }
    }
    if (c.combining_class == 0) {
      starter = kept;
      last_class = -1;
    } else {
      last_class = c.combining_class;
    }
    text[kept++] = c;
  }
  text.resize(kept);
}

}  // namespace

bool plainly_nfc(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0xCC; });  // 0xCC 0x80 is U+0300
}

std::string to_normal_form(std::string_view text, NormalForm form) {
  const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  if (form == NormalForm::kNfc ? plainly_nfc(text) : std::ranges::all_of(text, is_ascii)) return std::string(text);
  std::vector<Character> characters;
  characters.reserve(text.size());
  for (; !text.empty(); text.remove_prefix(utf8_step(text).length)) decompose(utf8_code_point(text), form, characters);

  for (auto run = characters.begin(); run != characters.end();) {  // marks on one starter: by class
    const auto is_starter = [](const Character& c) { return c.combining_class == 0; };
    run = std::find_if_not(run, characters.end(), is_starter);
    const auto end = std::find_if(run, characters.end(), is_starter);
    std::stable_sort(run, end, [](const Character& a, const Character& b) { return a.combining_class < b.combining_class; });
    run = end;
  }
  if (form == NormalForm::kNfc || form == NormalForm::kNfkc) compose(characters);
  std::string out;
  for (const Character c : characters) append_utf8(out, c.code);
  return out;
}

}  // namespace mlxr::text
