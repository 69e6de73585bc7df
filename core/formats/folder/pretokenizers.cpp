// The rules that cut a text into words, as tokenizer.json has them, and their names in GGUF (core/text/pretokenizer_rules.cpp).
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>

#include "core/formats/folder/vocabulary.h"
#include "core/formats/pretokenizer_patterns.h"
#include "core/formats/printable.h"

namespace mlxr::formats {
namespace {

using namespace patterns;

struct Rules {
  std::string_view name;
  std::array<std::string_view, 3> patterns;
  bool ignore_merges = false;
};
constexpr Rules kRules[] = {
    {"gpt-2", {kGpt2}},   {"smollm", {kDigit, kGpt2}}, {"llama-bpe", {kLlama3}, true},
    {"dbrx", {kLlama3}},  {"qwen2", {kQwen2}},         {"qwen35", {kQwen35}},
    {"gpt-4o", {kGpt4o}}, {"tekken", {kTekken}, true}, {"deepseek-v3", {kThreeDigits, kCjkAndKana, kDeepseek3}},
};

// For other programs: rules that are spelled out under tokenizer.mlxr.rules and have no name. They refuse what they do not know.
constexpr std::string_view kNameless = "custom";

// The parts of a tokenizer that core/text knows, by their `type`.
constexpr std::string_view kNormalizers[] = {"Sequence", "NFC",     "NFD",     "NFKC",           "NFKD",        "Lowercase", "StripAccents",
                                             "Strip",    "Prepend", "Replace", "BertNormalizer", "Precompiled", "Nmt"};
constexpr std::string_view kPretokenizers[] = {"Sequence",        "Split",  "ByteLevel",        "Metaspace",
                                               "WhitespaceSplit", "Digits", "BertPreTokenizer", "Punctuation"};

std::string type_of(const Json& step) {
  const auto* type = step.find("type");
  return type && type->text() ? *type->text() : "";
}

// As the patterns above are written: line ends are escaped.
std::string with_escapes(std::string_view pattern) {
  std::string out;
  for (const char c : pattern) {
    if (c == '\r')
      out += "\\r";
    else if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out;
}

// The pattern of one step; empty: it cuts nothing. Nothing for a step that no name in GGUF has.
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
  return isolated || inverted ? std::optional(with_escapes(*regex->text())) : std::nullopt;
}

// The patterns of all steps. Nothing where a step is not a pattern.
std::optional<std::vector<std::string>> patterns_of(const Json* pre_tokenizer) {
  std::vector<std::string> patterns;
  for (const auto* step : steps_of(pre_tokenizer, "pretokenizers")) {
    auto pattern = pattern_of(*step);
    if (!pattern) return std::nullopt;
    if (!pattern->empty()) patterns.push_back(*std::move(pattern));
  }
  return patterns;
}

const Rules* rules_with(const std::optional<std::vector<std::string>>& patterns, std::optional<bool> ignore_merges) {
  if (!patterns) return nullptr;
  for (const auto& rules : kRules) {
    const auto count = static_cast<std::size_t>(std::ranges::count_if(rules.patterns, [](auto pattern) { return !pattern.empty(); }));
    if (rules.ignore_merges == ignore_merges.value_or(rules.ignore_merges) &&
        std::ranges::equal(*patterns, std::span(rules.patterns).first(count)))
      return &rules;
  }
  return nullptr;
}

void write(const Json& value, std::string& out) {
  const auto quoted = [](const std::string& text) { return nlohmann::json(text).dump(); };
  if (const auto* text = value.text()) {
    out += quoted(*text);
  } else if (const auto flag = value.boolean()) {
    out += *flag ? "true" : "false";
  } else if (const auto whole = value.integer()) {
    out += std::to_string(*whole);
  } else if (const auto number = value.number()) {
    out += nlohmann::json(*number).dump();
  } else if (const auto* items = value.items()) {
    out += '[';
    for (const auto& item : *items) {
      if (&item != items->data()) out += ", ";
      write(item, out);
    }
    out += ']';
  } else if (const auto* members = value.members()) {
    out += '{';
    for (const auto& member : *members) {
      if (&member != members->data()) out += ", ";
      out += quoted(member.first) + ": ";
      write(member.second, out);
    }
    out += '}';
  } else {
    out += "null";
  }
}

}  // namespace

std::vector<const Json*> steps_of(const Json* part, std::string_view list) {
  std::vector<const Json*> steps;
  if (!part) return steps;
  const auto* all = type_of(*part) == "Sequence" ? part->find(list) : nullptr;
  if (!all || !all->items()) return {part};
  for (const auto& step : *all->items()) {
    for (const auto* inner : steps_of(&step, list)) steps.push_back(inner);
  }
  return steps;
}

Result<std::string> rules_as_json(const Json& tokenizer, const std::string& file) {
  std::string out = "{";
  const auto add = [&](std::string_view name, std::string_view list, std::span<const std::string_view> known) -> Result<void> {
    const auto* part = tokenizer.find(name);
    if (!part) return {};
    for (const auto* step : steps_of(part, list)) {
      if (std::ranges::find(known, type_of(*step)) == known.end()) {
        return fail(ErrorCode::kUnsupported, "MLXR cannot run this model yet: the " + std::string(name) + " " + printable(type_of(*step)) +
                                                 " of " + file + " is not one that it knows.");
      }
    }
    out += '"' + std::string(name) + "\": ";
    write(*part, out);
    out += ", ";
    return {};
  };
  if (auto done = add("normalizer", "normalizers", kNormalizers); !done) return fail(done.error());
  if (auto done = add("pre_tokenizer", "pretokenizers", kPretokenizers); !done) return fail(done.error());
  const auto* model = tokenizer.find("model");
  const auto* ignore_merges = model ? model->find("ignore_merges") : nullptr;
  return out + "\"ignore_merges\": " + (ignore_merges && ignore_merges->boolean().value_or(false) ? "true" : "false") + "}";
}

Result<void> add_byte_level_rules(const Json& tokenizer, const std::string& file, OwnedMetadata& metadata) {
  auto json = rules_as_json(tokenizer, file);
  if (!json) return fail(json.error());
  const auto normalizers = steps_of(tokenizer.find("normalizer"), "normalizers");
  const bool nfc = normalizers.size() == 1 && type_of(*normalizers[0]) == "NFC";
  const auto* model = tokenizer.find("model");
  const auto* ignore_merges = model ? model->find("ignore_merges") : nullptr;
  const auto patterns = patterns_of(tokenizer.find("pre_tokenizer"));
  const Rules* exact = rules_with(patterns, ignore_merges && ignore_merges->boolean().value_or(false));
  const Rules* close = exact ? exact : rules_with(patterns, {});
  const bool named = close && (nfc || normalizers.empty());
  metadata.add("tokenizer.ggml.pre", named ? close->name : kNameless);
  if (named) metadata.add("tokenizer.ggml.normalizer.nfc", nfc);
  if (!named || close != exact) metadata.add("tokenizer.mlxr.rules", metadata.keep(*std::move(json)));
  return {};
}

}  // namespace mlxr::formats
