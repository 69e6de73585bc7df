#define PCRE2_CODE_UNIT_WIDTH 8
#include "core/text/regex.h"

#include <pcre2.h>

#include <algorithm>
#include <array>

#include "core/formats/printable.h"

namespace mlxr::text {
namespace {

// Far above what any pattern needs per match on ordinary text, and low enough to stop within a fraction of a second.
constexpr std::uint32_t kMatchLimit = 20'000'000;
constexpr std::size_t kLongestPattern = 1u << 16;

// PCRE2's \s counts U+180E, which Unicode's White_Space and the engines that models are trained with do not.
std::string with_unicode_space(std::string_view pattern) {
  std::string out;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '\\' || i + 1 == pattern.size()) {
      out += pattern[i];
      continue;
    }
    const char escaped = pattern[++i];
    if (escaped == 's')
      out += "\\p{wspace}";
    else if (escaped == 'S')
      out += "\\P{wspace}";
    else
      (out += '\\') += escaped;
  }
  return out;
}

bool is_alphanumeric(char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

// The first construct that Oniguruma and PCRE2 read differently; empty if there is none.
std::string_view ambiguous_part(std::string_view pattern) {
  constexpr std::string_view kSharedEscapes = "pPsSdDrntfx";
  constexpr std::array<std::string_view, 8> kSharedGroups = {"(?:", "(?i:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i)"};
  bool in_class = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const std::string_view rest = pattern.substr(i);
    if (rest[0] == '\\') {
      if (rest.size() > 1 && is_alphanumeric(rest[1]) && kSharedEscapes.find(rest[1]) == std::string_view::npos) return rest.substr(0, 2);
      ++i;
    } else if (in_class) {
      if (rest.starts_with("&&") || rest[0] == '[') return rest.substr(0, 2);
      if (rest[0] == ']') in_class = false;
    } else if (rest[0] == '[') {
      in_class = true;
      if (rest.starts_with("[^")) ++i;
      if (pattern.substr(i + 1).starts_with("]")) return rest.substr(0, 3);
    } else if (rest.starts_with("(?") && std::ranges::none_of(kSharedGroups, [&](auto group) { return rest.starts_with(group); })) {
      return rest.substr(0, 4);
    } else if (rest.starts_with("(*") || rest.starts_with("{,")) {
      return rest.substr(0, 2);
    }
  }
  return {};
}

}  // namespace

struct Regex::Code {
  pcre2_code* code;
  explicit Code(pcre2_code* compiled) : code(compiled) {}
  ~Code() { pcre2_code_free(code); }
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;
};

struct Regex::Search::State {
  pcre2_match_data* match = pcre2_match_data_create(1, nullptr);
  pcre2_match_context* limits = pcre2_match_context_create(nullptr);
  State() { pcre2_set_match_limit(limits, kMatchLimit); }
  ~State() {
    pcre2_match_data_free(match);
    pcre2_match_context_free(limits);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

Regex::Search::Search() : state_(std::make_unique<State>()) {}
Regex::Search::~Search() = default;

Regex::Regex(std::unique_ptr<const Code> code) : code_(std::move(code)) {}
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;
Regex::~Regex() = default;

Result<Regex> Regex::compile(std::string_view pattern, bool multiline, ErrorCode failure) {
  const std::string source = with_unicode_space(pattern);
  const std::uint32_t options = PCRE2_UTF | PCRE2_UCP | (multiline ? PCRE2_MULTILINE : 0u);
  int error = 0;
  PCRE2_SIZE offset = 0;
  auto* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(source.data()), source.size(), options, &error, &offset, nullptr);
  if (!code) {
    PCRE2_UCHAR why[160];
    pcre2_get_error_message(error, why, sizeof why);
    return fail(failure,
                "MLXR cannot run this model: a pattern of its tokenizer does not compile: " + std::string(reinterpret_cast<char*>(why)) +
                    " at offset " + std::to_string(offset) + " of " + formats::printable(source));
  }
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // where there is no JIT, pcre2_match interprets
  return Regex(std::make_unique<const Code>(code));
}

Result<Regex> Regex::compile(std::string_view pattern) { return compile(pattern, false, ErrorCode::kInternal); }

Result<Regex> Regex::from_tokenizer_json(std::string_view pattern) {
  if (pattern.size() > kLongestPattern)
    return fail(ErrorCode::kUnsupported, "MLXR cannot run this model: a pattern of its tokenizer has " + std::to_string(pattern.size()) +
                                             " bytes; the limit is " + std::to_string(kLongestPattern) + ".");
  if (const auto part = ambiguous_part(pattern); !part.empty())
    return fail(ErrorCode::kUnsupported, "MLXR cannot run this model yet: its tokenizer cuts text at " + formats::printable(pattern) +
                                             ", and " + formats::printable(part) + " is not supported there.");
  return compile(pattern, true, ErrorCode::kUnsupported);  // ^ and $ are the ends of lines
}

std::optional<Regex::Match> Regex::find(std::string_view text, std::size_t from, Search& search) const {
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  auto* match = search.state_->match;
  auto* limits = search.state_->limits;
  int rc = pcre2_match(code_->code, subject, text.size(), from, PCRE2_NO_UTF_CHECK, match, limits);
  // The compiled code keeps its backtracking on a small stack; the interpreter has the heap.
  if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
    rc = pcre2_match(code_->code, subject, text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, match, limits);
  if (rc < 0) return std::nullopt;
  const PCRE2_SIZE* range = pcre2_get_ovector_pointer(match);
  return Match{range[0], range[1]};
}

std::string Regex::replace_all(std::string_view text, std::string_view with) const {
  Search search;
  std::string out;
  std::size_t done = 0;
  while (done < text.size()) {
    const auto match = find(text, done, search);
    if (!match || match->end == match->begin) break;
    out.append(text.substr(done, match->begin - done)).append(with);
    done = match->end;
  }
  return out.append(text.substr(done));
}

}  // namespace mlxr::text
