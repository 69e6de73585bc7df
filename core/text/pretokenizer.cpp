#define PCRE2_CODE_UNIT_WIDTH 8
#include "core/text/pretokenizer.h"

#include <pcre2.h>

#include <string>

namespace mlxr::text {
namespace {

// Far above what any pattern needs per match on ordinary text, and low enough to stop within a fraction of a second.
constexpr std::uint32_t kMatchLimit = 20'000'000;

struct CodeDeleter {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct MatchDeleter {
  void operator()(pcre2_match_data* match) const { pcre2_match_data_free(match); }
};
struct ContextDeleter {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};
using Code = std::unique_ptr<pcre2_code, CodeDeleter>;
using MatchData = std::unique_ptr<pcre2_match_data, MatchDeleter>;
using MatchContext = std::unique_ptr<pcre2_match_context, ContextDeleter>;

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

// The length of the match at or after `from`; false when there is none, or the limits were reached.
bool find(const pcre2_code* code, std::string_view text, std::size_t from, pcre2_match_data* match, pcre2_match_context* context) {
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  int rc = pcre2_match(code, subject, text.size(), from, PCRE2_NO_UTF_CHECK, match, context);
  // The compiled code keeps its backtracking on a small stack; the interpreter has the heap.
  if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
    rc = pcre2_match(code, subject, text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, match, context);
  return rc >= 0;
}

void cut(const pcre2_code* code, std::string_view text, pcre2_match_data* match, pcre2_match_context* context,
         std::vector<std::string_view>& out) {
  const PCRE2_SIZE* range = pcre2_get_ovector_pointer(match);
  std::size_t done = 0;
  while (done < text.size() && find(code, text, done, match, context)) {
    const std::size_t begin = range[0], end = range[1];
    if (end == begin) break;  // cannot happen: no pattern here matches the empty string
    if (begin > done) out.push_back(text.substr(done, begin - done));
    out.push_back(text.substr(begin, end - begin));
    done = end;
  }
  if (done < text.size()) out.push_back(text.substr(done));
}

}  // namespace

struct Pretokenizer::Program {
  std::vector<Code> codes;
  MatchContext limits;
};

Pretokenizer::Pretokenizer(std::unique_ptr<const Program> program) : program_(std::move(program)) {}
Pretokenizer::Pretokenizer(Pretokenizer&&) noexcept = default;
Pretokenizer& Pretokenizer::operator=(Pretokenizer&&) noexcept = default;
Pretokenizer::~Pretokenizer() = default;

Result<Pretokenizer> Pretokenizer::compile(const std::vector<std::string_view>& patterns) {
  auto program = std::make_unique<Program>();
  program->limits.reset(pcre2_match_context_create(nullptr));
  pcre2_set_match_limit(program->limits.get(), kMatchLimit);
  for (const auto pattern : patterns) {
    const std::string source = with_unicode_space(pattern);
    int error = 0;
    PCRE2_SIZE offset = 0;
    Code code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(source.data()), source.size(), PCRE2_UTF | PCRE2_UCP, &error, &offset, nullptr));
    if (!code) {
      PCRE2_UCHAR why[160];
      pcre2_get_error_message(error, why, sizeof why);
      return fail(ErrorCode::kInternal, "A pre-tokenizer's pattern does not compile: " + std::string(reinterpret_cast<char*>(why)) +
                                            " at offset " + std::to_string(offset) + " of " + source);
    }
    pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);  // where there is no JIT, pcre2_match interprets
    program->codes.push_back(std::move(code));
  }
  return Pretokenizer(std::move(program));
}

std::vector<std::string_view> Pretokenizer::split(std::string_view text) const {
  const MatchData match(pcre2_match_data_create(1, nullptr));
  std::vector<std::string_view> words{text}, next;
  for (const auto& code : program_->codes) {
    next.clear();
    next.reserve(words.size() * 2 + text.size() / 8);
    for (const auto word : words) cut(code.get(), word, match.get(), program_->limits.get(), next);
    words.swap(next);
  }
  return words;
}

}  // namespace mlxr::text
