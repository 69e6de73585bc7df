// Regular expressions over UTF-8, with Unicode's character classes: PCRE2 behind the syntax that tokenizers are published in.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <mlxrunner/result.h>

namespace mlxr::text {

// A compiled pattern. Safe from any thread. \s is Unicode's White_Space.
class Regex {
 public:
  // Where a search keeps its state; one for each thread that searches. Serves every Regex.
  class Search {
   public:
    Search();
    ~Search();
    Search(const Search&) = delete;
    Search& operator=(const Search&) = delete;

   private:
    friend class Regex;
    struct State;
    std::unique_ptr<State> state_;
  };

  struct Match {
    std::size_t begin, end;  // bytes
  };

  // A pattern of MLXR's own. Errors: kInternal (it does not compile).
  static Result<Regex> compile(std::string_view pattern);
  // A pattern of tokenizer.json, which has the syntax of Oniguruma. Errors: kUnsupported (it does not compile, or has a construct that
  // means something else here; the message has the pattern).
  static Result<Regex> from_tokenizer_json(std::string_view pattern);

  // The first match at or after `from` in `text` (valid UTF-8). Nothing when there is none, or when the search takes more steps than any
  // ordinary text needs.
  std::optional<Match> find(std::string_view text, std::size_t from, Search& search) const;

  // The text with every match replaced.
  std::string replace_all(std::string_view text, std::string_view with) const;

  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;
  ~Regex();

 private:
  struct Code;
  explicit Regex(std::unique_ptr<const Code> code);
  static Result<Regex> compile(std::string_view pattern, bool multiline, ErrorCode failure);

  std::unique_ptr<const Code> code_;
};

}  // namespace mlxr::text
