#include "core/text/normalizer.h"

#include <memory>
#include <optional>

#include "core/formats/printable.h"
#include "core/text/charsmap.h"
#include "core/text/jinja/unicode.h"
#include "core/text/json_members.h"
#include "core/text/normal_form.h"
#include "core/text/regex.h"
#include "core/text/utf8.h"

namespace mlxr::text {
namespace {

using formats::Json;
using Step = Normalizer::Step;

Step normal_form(NormalForm form) {
  return [form](std::string text) { return to_normal_form(text, form); };
}

Step replace(Regex pattern, std::string with) {
  return [pattern = std::make_shared<const Regex>(std::move(pattern)), with = std::move(with)](std::string text) {
    return pattern->replace_all(text, with);
  };
}

// What a file replaces a piece of text by may not be longer, nor may all steps make a text longer than so many times itself.
constexpr std::size_t kLongestReplacement = 16;
constexpr std::size_t kMostGrowth = 16;
constexpr std::size_t kMostSteps = 64;

// For a pattern of MLXR's own, which compiles.
Step replace(const char* pattern, std::string with) { return replace(Regex::compile(pattern).value(), std::move(with)); }

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t found = from.empty() ? text.npos : text.find(from, at);
    out += text.substr(at, found - at);
    if (found == text.npos) break;
    out += to;
    at = found + from.size();
  }
  return out;
}

std::string lowercase(std::string text) {
  return jinja::lower(replaced(text, "İ", "i\u0307"));  // the only character whose lower case is two
}

// CJK ideographs as BERT lists them; the range from U+2B920 is as Hugging Face has it.
bool is_chinese(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
         (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

std::string with_spaces_around_chinese(std::string text) {
  std::string out;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view character = rest.substr(0, utf8_step(rest).length);
    if (is_chinese(utf8_code_point(rest)))
      ((out += ' ') += character) += ' ';
    else
      out += character;
    rest.remove_prefix(character.size());
  }
  return out;
}

// Nonspacing marks of the Unicode version that Hugging Face's BERT has: three characters have changed their category since.
constexpr const char* kBertAccents = R"((?:(?![\x{1885}\x{1886}])\p{Mn}|\x{1734})+)";

void add_bert(const Json& part, std::vector<Step>& steps) {
  if (flag_member(&part, "clean_text", true)) {
    steps.push_back(replace(R"((?![\t\n\r])[\p{Cc}\p{Cf}\p{Co}]|\x{FFFD})", ""));
    steps.push_back(replace(R"(\s)", " "));
  }
  if (flag_member(&part, "handle_chinese_chars", true)) steps.emplace_back(with_spaces_around_chinese);
  const bool lower = flag_member(&part, "lowercase", true);
  if (flag_member(&part, "strip_accents", lower)) {
    steps.push_back(normal_form(NormalForm::kNfd));
    steps.push_back(replace(kBertAccents, ""));
  }
  if (lower) steps.emplace_back(lowercase);
}

Step strip(bool left, bool right) {
  return replace(left && right ? R"(\A\s+|\s+\z)" : left ? R"(\A\s+)" : right ? R"(\s+\z)" : R"((?!))", "");
}

std::optional<std::string> decoded_base64(std::string_view text) {
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  while (text.ends_with('=')) text.remove_suffix(1);
  for (const char c : text) {
    constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const auto digit = kDigits.find(c);
    if (digit == kDigits.npos) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count >= 8) out += static_cast<char>(bits >> (count -= 8) & 0xFFu);
  }
  return out;
}

std::unexpected<Error> unsupported(const std::string& what) {
  return fail(ErrorCode::kUnsupported, "MLXR cannot run this model yet: its tokenizer has the normalizer " + what + ".");
}

Result<void> add(const Json& part, std::vector<Step>& steps);

Result<void> add_all(const Json& sequence, std::vector<Step>& steps) {
  const auto* list = sequence.find("normalizers");
  if (!list || !list->items()) return unsupported("Sequence without a list of normalizers");
  for (const auto& item : *list->items())
    if (auto added = add(item, steps); !added) return added;
  return {};
}

Result<void> add_replace(const Json& part, std::vector<Step>& steps) {
  const auto* pattern = part.find("pattern");
  const auto content = text_member(&part, "content");
  if (!pattern || !content) return unsupported("Replace without a pattern and content");
  if (content->size() > kLongestReplacement) return unsupported("Replace with a text of " + std::to_string(content->size()) + " bytes");
  if (const auto literal = text_member(pattern, "String")) {
    steps.emplace_back([from = *literal, to = *content](std::string text) { return replaced(text, from, to); });
    return {};
  }
  const auto source = text_member(pattern, "Regex");
  if (!source) return unsupported("Replace without a pattern");
  auto regex = Regex::from_tokenizer_json(*source);
  if (!regex) return fail(regex.error());
  steps.push_back(replace(*std::move(regex), *content));
  return {};
}

Result<void> add_charsmap(std::string_view bytes, std::vector<Step>& steps) {
  auto map = Charsmap::parse(bytes);
  if (!map) return fail(map.error());
  steps.emplace_back([map = std::make_shared<const Charsmap>(*std::move(map))](std::string text) { return map->apply(text); });
  return {};
}

Result<void> add(const Json& part, std::vector<Step>& steps) {
  const auto type = text_member(&part, "type").value_or("");
  if (steps.size() >= kMostSteps) return unsupported("Sequence of more than " + std::to_string(kMostSteps) + " steps");
  if (type == "Sequence") return add_all(part, steps);
  if (type == "NFC")
    steps.push_back(normal_form(NormalForm::kNfc));
  else if (type == "NFD")
    steps.push_back(normal_form(NormalForm::kNfd));
  else if (type == "NFKC")
    steps.push_back(normal_form(NormalForm::kNfkc));
  else if (type == "NFKD")
    steps.push_back(normal_form(NormalForm::kNfkd));
  else if (type == "Lowercase")
    steps.emplace_back(lowercase);
  else if (type == "StripAccents")
    steps.push_back(replace(R"(\p{M}+)", ""));
  else if (type == "Strip")
    steps.push_back(strip(flag_member(&part, "strip_left", true), flag_member(&part, "strip_right", true)));
  else if (type == "Prepend") {
    const auto prefix = text_member(&part, "prepend").value_or("");
    if (prefix.size() > kLongestReplacement) return unsupported("Prepend of " + std::to_string(prefix.size()) + " bytes");
    steps.emplace_back([prefix](std::string text) { return text.empty() ? text : prefix + text; });
  } else if (type == "Nmt") {
    for (auto step : {replace(R"([\x{1}-\x{8}\x{B}\x{E}-\x{1F}\x{7F}\x{8F}\x{9F}])", ""),
                      replace(R"([\t\n\f\r\x{1680}\x{200B}-\x{200F}\x{2028}\x{2029}\x{2581}\x{FEFF}\x{FFFD}])", " ")})
      steps.push_back(std::move(step));
  } else if (type == "BertNormalizer") {
    add_bert(part, steps);
  } else if (type == "Replace") {
    return add_replace(part, steps);
  } else if (type == "Precompiled") {
    const auto bytes = decoded_base64(text_member(&part, "precompiled_charsmap").value_or(""));
    if (!bytes) return fail(ErrorCode::kCorrupt, "The model's tokenizer is damaged: its precompiled_charsmap is not base64.");
    return add_charsmap(*bytes, steps);
  } else {
    return unsupported(formats::printable(type));
  }
  return {};
}

}  // namespace

Normalizer Normalizer::nfc() { return Normalizer({normal_form(NormalForm::kNfc)}); }

Result<Normalizer> Normalizer::charsmap(std::string_view bytes) {
  std::vector<Step> steps;
  if (auto added = add_charsmap(bytes, steps); !added) return fail(added.error());
  return Normalizer(std::move(steps));
}

Result<Normalizer> Normalizer::from_json(const Json* normalizer) {
  std::vector<Step> steps;
  if (normalizer)
    if (auto added = add(*normalizer, steps); !added) return fail(added.error());
  return Normalizer(std::move(steps));
}

std::string Normalizer::apply(std::string_view text) const {
  std::string out(text);
  for (const auto& step : steps_) {
    out = step(std::move(out));
    if (out.size() > kMostGrowth * (text.size() + kMostGrowth)) return std::string(text);
  }
  return out;
}

}  // namespace mlxr::text
