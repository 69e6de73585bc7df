// The rules that cut a text into words, as tokenizer.json has them, and their names in GGUF (core/text/pretokenizer_rules.cpp).
#include <algorithm>
#include <array>

#include "core/formats/folder/vocabulary.h"
#include "core/formats/pretokenizer_patterns.h"
#include "core/formats/printable.h"

namespace mlxr::formats {
namespace {

using namespace patterns;

struct Rules {
  std::string_view name;
  std::array<std::string_view, 2> patterns;
  bool nfc = false, ignore_merges = false;
};
constexpr Rules kRules[] = {
    {"gpt-2", {kGpt2, ""}},
    {"smollm", {kDigit, kGpt2}},
    {"llama-bpe", {kLlama3, ""}, false, true},
    {"dbrx", {kLlama3, ""}},
    {"qwen2", {kQwen2, ""}, true},
    {"stablelm2", {kQwen2, ""}},
    {"gpt-4o", {kGpt4o, ""}},
    {"tekken", {kTekken, ""}, false, true},
};

std::string type_of(const Json& step) {
  const auto* type = step.find("type");
  return type && type->text() ? *type->text() : "";
}

// The pattern of one step; empty: it cuts nothing. Nothing for a step that MLXR does not know.
std::optional<std::string> pattern_of(const Json& step) {
  const auto type = type_of(step);
  const auto is = [&](std::string_view name, bool wanted, bool otherwise) {
    const auto* value = step.find(name);
    return (value ? value->boolean().value_or(!wanted) : otherwise) == wanted;
  };
  if (type == "ByteLevel" && is("add_prefix_space", false, true)) return is("use_regex", true, true) ? std::string(kGpt2) : std::string();
  if (type == "Digits" && is("individual_digits", true, false)) return std::string(kDigit);
  if (type != "Split") return std::nullopt;
  const auto* pattern = step.find("pattern");
  const auto* regex = pattern ? pattern->find("Regex") : nullptr;
  const auto* behavior = step.find("behavior");
  if (!regex || !regex->text() || !behavior || !behavior->text()) return std::nullopt;
  // What matches is a word, and so is what is between two matches; the patterns here leave nothing between.
  const bool isolated = *behavior->text() == "Isolated" && is("invert", false, false);
  const bool inverted = *behavior->text() == "Removed" && is("invert", true, false);
  return isolated || inverted ? std::optional(*regex->text()) : std::nullopt;
}

}  // namespace

Result<std::string_view> name_of_rules(const Json* pre_tokenizer, const Json* normalizer, bool ignore_merges, const std::string& file) {
  const auto refuse = [&](const std::string& what) {
    return fail(ErrorCode::kUnsupported, "MLXR cannot run this model yet: the " + what + " of " + file + " is not one that it knows.");
  };
  if (normalizer && type_of(*normalizer) != "NFC") return refuse("normalizer " + printable(type_of(*normalizer)));
  Json::Items steps;
  if (pre_tokenizer && type_of(*pre_tokenizer) == "Sequence") {
    const auto* list = pre_tokenizer->find("pretokenizers");
    if (list && list->items()) steps = *list->items();
  } else if (pre_tokenizer) {
    steps = {*pre_tokenizer};
  }
  std::vector<std::string> patterns;
  for (const auto& step : steps) {
    const auto pattern = pattern_of(step);
    if (!pattern) return refuse("pre-tokenizer " + printable(type_of(step)));
    if (!pattern->empty()) patterns.push_back(*pattern);
  }
  for (const auto& rules : kRules) {
    const auto count = static_cast<std::size_t>(std::ranges::count_if(rules.patterns, [](auto pattern) { return !pattern.empty(); }));
    if (rules.nfc == (normalizer != nullptr) && rules.ignore_merges == ignore_merges && patterns.size() == count &&
        std::ranges::equal(patterns, std::span(rules.patterns).first(count)))
      return rules.name;
  }
  std::string shown;
  for (const auto& pattern : patterns) shown += (shown.empty() ? "" : " and then ") + std::string("'") + harmless(pattern) + "'";
  return refuse("pre-tokenizer that cuts at " + (shown.empty() ? "nothing" : shown) + (normalizer ? ", after NFC," : "") +
                (ignore_merges ? ", with ignore_merges," : ""));
}

}  // namespace mlxr::formats
