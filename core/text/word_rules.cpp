#include "core/text/word_rules.h"

namespace mlxr::text {
namespace {

void add_words(const Metaspace& rules, std::string_view text, bool prefix, std::vector<std::string>& out) {
  std::string escaped;
  for (const char c : text) {
    if (c == ' ')
      escaped += rules.letter;
    else
      escaped += c;
  }
  if (prefix && !escaped.starts_with(rules.letter)) escaped.insert(0, rules.letter);
  std::size_t begin = 0;
  while (rules.split && !rules.letter.empty()) {
    const std::size_t next = escaped.find(rules.letter, begin + 1);
    if (next == std::string::npos) break;
    out.push_back(escaped.substr(begin, next - begin));
    begin = next;
  }
  out.push_back(escaped.substr(begin));
}

}  // namespace

std::string WordRules::normal(std::string_view text) const {
  std::string normal = normalizer.apply(text);
  if (add_prefix_space && !normal.empty() && !normal.starts_with(' ')) normal.insert(0, 1, ' ');
  return normal;
}

std::vector<std::string> WordRules::words(std::string_view text, bool at_start) const {
  const auto normal = this->normal(text);
  if (normal.empty()) return {};
  std::vector<std::string> out;
  for (const auto word : pretokenizer.split(normal)) {
    if (!metaspace) {
      out.emplace_back(word);
      continue;
    }
    const bool first = at_start && word.data() == normal.data();
    add_words(*metaspace, word, metaspace->prefix == Metaspace::kAlways || (metaspace->prefix == Metaspace::kFirst && first), out);
  }
  return out;
}

}  // namespace mlxr::text
