#include "core/text/huggingface_rules.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "core/formats/pretokenizer_patterns.h"
#include "core/formats/printable.h"
#include "core/text/json_members.h"

namespace mlxr::text {
namespace {

using formats::Json;

constexpr std::size_t kMostSteps = 64;
constexpr std::string_view kPunctuation = R"([\p{P}!-/:-@\[-`{-~])";

std::unexpected<Error> unsupported(const std::string& what) {
  return fail(ErrorCode::kUnsupported, "MLXR cannot run this model yet: its tokenizer has the pre-tokenizer " + what + ".");
}

std::string with_backslashes(std::string_view literal) {
  std::string out;
  for (const char c : literal) {
    const bool plain = static_cast<unsigned char>(c) >= 0x80 || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (!plain) out += '\\';
    out += c;
  }
  return out;
}

std::optional<SplitBehavior> behavior_named(std::string_view name) {
  constexpr std::pair<std::string_view, SplitBehavior> kNames[] = {{"Isolated", SplitBehavior::kIsolated},
                                                                   {"Removed", SplitBehavior::kRemoved},
                                                                   {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
                                                                   {"MergedWithNext", SplitBehavior::kMergedWithNext},
                                                                   {"Contiguous", SplitBehavior::kContiguous}};
  for (const auto& [known, behavior] : kNames)
    if (known == name) return behavior;
  return std::nullopt;
}

// Reads the parts of a pre-tokenizer in order. Those that change text can only come last, where they are applied to the words.
class PretokenizerReader {
 public:
  Result<void> read(const Json& part) {
    const auto type = text_member(&part, "type").value_or("");
    if (type == "Sequence") return read_all(part);
    if (rules_.byte_level || rules_.metaspace) return unsupported(formats::printable(type) + " after the one that changes the text");
    if (steps_.size() >= kMostSteps) return unsupported("Sequence of more than " + std::to_string(kMostSteps) + " steps");
    if (type == "Split") return read_split(part);
    if (type == "ByteLevel") return read_byte_level(part);
    if (type == "Metaspace") return read_metaspace(part);
    if (type == "WhitespaceSplit") return cut_at(R"(\s+)", SplitBehavior::kRemoved);
    if (type == "Digits")
      return cut_at(flag_member(&part, "individual_digits", false) ? R"(\p{N})" : R"(\p{N}+)", SplitBehavior::kIsolated);
    if (type == "BertPreTokenizer") {
      if (auto cut = cut_at(R"(\s+)", SplitBehavior::kRemoved); !cut) return cut;
      return cut_at(kPunctuation, SplitBehavior::kIsolated);
    }
    if (type == "Punctuation") {
      const auto behavior = behavior_named(text_member(&part, "behavior").value_or("Isolated"));
      if (behavior) return cut_at(kPunctuation, *behavior);
    }
    return unsupported(formats::printable(type));
  }

  WordRules finish() && {
    rules_.pretokenizer = Pretokenizer(std::move(steps_));
    return std::move(rules_);
  }

 private:
  Result<void> read_all(const Json& sequence) {
    const auto* list = sequence.find("pretokenizers");
    if (!list || !list->items()) return unsupported("Sequence without a list of pre-tokenizers");
    for (const auto& item : *list->items())
      if (auto done = read(item); !done) return done;
    return {};
  }

  Result<void> cut_at(std::string_view pattern, SplitBehavior behavior) {
    auto regex = Regex::compile(pattern);
    if (!regex) return fail(regex.error());
    steps_.push_back({.pattern = *std::move(regex), .behavior = behavior});
    return {};
  }

  Result<void> read_split(const Json& part) {
    const auto behavior = behavior_named(text_member(&part, "behavior").value_or(""));
    const auto literal = text_member(part.find("pattern"), "String"), source = text_member(part.find("pattern"), "Regex");
    if (!behavior || (!literal && !source)) return unsupported("Split without a pattern and a behavior");
    auto regex = literal ? Regex::compile(with_backslashes(*literal)) : Regex::from_tokenizer_json(*source);
    if (!regex) return fail(regex.error());
    steps_.push_back({.pattern = *std::move(regex), .behavior = *behavior, .invert = flag_member(&part, "invert", false)});
    return {};
  }

  Result<void> read_byte_level(const Json& part) {
    rules_.add_prefix_space = flag_member(&part, "add_prefix_space", true);
    if (rules_.add_prefix_space && !steps_.empty()) return unsupported("ByteLevel, which puts spaces between words that are cut already");
    if (flag_member(&part, "use_regex", true))
      if (auto cut = cut_at(formats::patterns::kGpt2, SplitBehavior::kIsolated); !cut) return cut;
    rules_.byte_level = true;
    return {};
  }

  Result<void> read_metaspace(const Json& part) {
    using Prefix = Metaspace::Prefix;
    constexpr std::pair<std::string_view, Prefix> kSchemes[] = {
        {"always", Prefix::kAlways}, {"first", Prefix::kFirst}, {"never", Prefix::kNever}};
    const auto name = text_member(&part, "prepend_scheme").value_or(flag_member(&part, "add_prefix_space", true) ? "always" : "never");
    const auto* scheme = std::ranges::find(kSchemes, name, &std::pair<std::string_view, Prefix>::first);
    if (scheme == std::end(kSchemes)) return unsupported("Metaspace with the prepend_scheme " + formats::printable(name));
    rules_.metaspace = Metaspace{
        .letter = text_member(&part, "replacement").value_or("▁"), .prefix = scheme->second, .split = flag_member(&part, "split", true)};
    return {};
  }

  WordRules rules_;
  std::vector<SplitStep> steps_;
};

}  // namespace

Result<WordRules> word_rules_from_json(std::string_view text) {
  const auto json = formats::parse_json(text, kRulesKey);
  if (!json) return fail(json.error());
  PretokenizerReader reader;
  if (const auto* part = json->find("pre_tokenizer"))
    if (auto done = reader.read(*part); !done) return fail(done.error());
  WordRules rules = std::move(reader).finish();
  auto normalizer = Normalizer::from_json(json->find("normalizer"));
  if (!normalizer) return fail(normalizer.error());
  rules.normalizer = *std::move(normalizer);
  rules.ignore_merges = flag_member(&*json, "ignore_merges", false);
  return rules;
}

Result<std::optional<WordRules>> huggingface_rules(const formats::Metadata& metadata) {
  const auto text = metadata.string(kRulesKey);
  if (!text) return std::nullopt;
  auto rules = word_rules_from_json(*text);
  if (!rules) return fail(rules.error());
  return *std::move(rules);
}

}  // namespace mlxr::text
