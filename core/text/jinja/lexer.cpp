#include "core/text/jinja/lexer.h"

#include <algorithm>
#include <array>
#include <optional>

#include "core/text/jinja/raise.h"
#include "core/text/jinja/unicode.h"

namespace mlxr::text::jinja {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Length in bytes of the name with which s begins: letters, digits and whatever else Unicode allows in names. 0 if there is none.
std::size_t name_length(std::string_view s) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  std::size_t length = 0;
  while (length < s.size()) {
    const char c = s[length];
    if (plain(c) || (length > 0 && is_digit(c))) {
      ++length;
      continue;
    }
    if (static_cast<unsigned char>(c) < 0x80) break;
    const std::string_view character = first_character(s.substr(length)).bytes;
    if (!all_of_class(character, length > 0 ? CharacterClass::kNamePart : CharacterClass::kNameStart)) break;
    length += character.size();
  }
  return length;
}

// "\r\n" and "\r" become "\n"; one newline at the very end is dropped.
std::string normalize_newlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out += source[i];
    } else {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

std::string unescape(std::string_view s) {
  std::string out;
  for (std::size_t i = 0; i < s.size(); ++i) {
    if (s[i] != '\\' || i + 1 == s.size()) {
      out += s[i];
      continue;
    }
    const char c = s[++i];
    const auto digits = [&](std::size_t from, std::size_t count, int base) {
      std::size_t n = 0;
      char32_t value = 0;
      while (n < count && from + n < s.size()) {
        const std::size_t digit = std::string_view("0123456789abcdef").find(s[from + n] | (is_digit(s[from + n]) ? 0 : 0x20));
        if (digit >= static_cast<std::size_t>(base)) break;
        value = value * static_cast<char32_t>(base) + static_cast<char32_t>(digit);
        ++n;
      }
      return std::pair(n, value);
    };
    static constexpr std::string_view kPlain = "ntrabfv\\'\"";
    static constexpr std::string_view kMeans = "\n\t\r\a\b\f\v\\'\"";
    if (const std::size_t at = kPlain.find(c); at != std::string_view::npos) {
      out += kMeans[at];
    } else if (c == '\n') {
      continue;  // a line joined to the next
    } else if (c >= '0' && c <= '7') {
      const auto [n, value] = digits(i, 3, 8);
      append_utf8(out, value);
      i += n - 1;
    } else if (c == 'x' || c == 'u' || c == 'U') {
      const std::size_t want = c == 'x' ? 2 : c == 'u' ? 4 : 8;
      const auto [n, value] = digits(i + 1, want, 16);
      if (n != want) raise("the escape \\" + std::string(1, c) + " in a string needs " + std::to_string(want) + " hexadecimal digits");
      append_utf8(out, value);
      i += n;
    } else if (c == 'N') {
      raise("the escape \\N (a character by its name) is not supported");
    } else {
      out += '\\';
      out += c;
    }
  }
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(normalize_newlines(source)) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) text_and_tag();
    add(Token::Kind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  std::string_view rest(std::size_t from) const { return std::string_view(source_).substr(std::min(from, source_.size())); }
  bool here(std::string_view what) const { return rest(at_).starts_with(what); }
  void add(Token::Kind kind, std::string text) { tokens_.push_back({kind, std::move(text), line_}); }

  void advance(std::size_t to) {
    line_ += static_cast<int>(
        std::count(source_.begin() + static_cast<std::ptrdiff_t>(at_), source_.begin() + static_cast<std::ptrdiff_t>(to), '\n'));
    line_starting_ = to > at_ ? source_[to - 1] == '\n' : line_starting_;
    at_ = to;
  }

  std::size_t skip_space(std::size_t i) const {
    while (i < source_.size()) {
      const Character c = first_character(rest(i));
      if (!is_space(c.code)) break;
      i += c.bytes.size();
    }
    return i;
  }

  // Up to the next tag; `sign` is the character after its two braces.
  void add_text(std::size_t tag, bool variable) {
    std::string_view text = rest(at_).substr(0, tag - at_);
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    if (sign == '-') {
      text = strip(text, Side::kRight);
    } else if (sign != '+' && !variable) {
      const std::size_t line_begin = text.rfind('\n') + 1;  // 0 when there is none
      if ((line_begin > 0 || line_starting_) && strip(text.substr(line_begin), Side::kLeft).empty()) text = text.substr(0, line_begin);
    }
    if (!text.empty()) add(Token::Kind::kText, std::string(text));
    advance(tag);
  }

  // Where the tag that closes with `close` at `i` ends, with the whitespace that it takes along; nothing when it isn't there.
  std::optional<std::size_t> after_close(std::size_t i, std::string_view close, bool trims_newline) const {
    if (rest(i).starts_with("-" + std::string(close))) return skip_space(i + 1 + close.size());
    if (trims_newline && rest(i).starts_with("+" + std::string(close))) return i + 1 + close.size();
    if (!rest(i).starts_with(close)) return std::nullopt;
    i += close.size();
    return trims_newline && i < source_.size() && source_[i] == '\n' ? i + 1 : i;
  }

  // The end of "{%- word %}" at `tag`, when that is what stands there.
  std::optional<std::size_t> word_tag(std::size_t tag, std::string_view word, bool trims_newline) const {
    std::size_t i = tag + 2;
    if (i < source_.size() && (source_[i] == '-' || source_[i] == '+')) ++i;
    i = skip_space(i);
    if (!rest(i).starts_with(word)) return std::nullopt;
    return after_close(skip_space(i + word.size()), "%}", trims_newline);
  }

  void text_and_tag() {
    std::size_t tag = at_;
    for (;; ++tag) {
      tag = source_.find('{', tag);
      if (tag == std::string::npos || tag + 1 == source_.size()) {
        add(Token::Kind::kText, std::string(rest(at_)));
        return advance(source_.size());
      }
      if (source_[tag + 1] == '{' || source_[tag + 1] == '%' || source_[tag + 1] == '#') break;
    }
    const char type = source_[tag + 1];
    add_text(tag, type == '{');
    if (type == '#') return comment();
    if (type == '%') {
      if (const auto end = word_tag(at_, "raw", false)) return raw(*end);
    }
    const std::size_t sign = at_ + 2;
    const bool has_sign = sign < source_.size() && (source_[sign] == '-' || source_[sign] == '+');
    add(type == '{' ? Token::Kind::kOutputBegin : Token::Kind::kBlockBegin, "");
    advance(has_sign ? sign + 1 : sign);
    inside(type == '{');
  }

  void comment() {
    const std::size_t close = source_.find("#}", at_ + 2);
    if (close == std::string::npos) raise("a comment is not closed: '#}' is missing", line_);
    const bool sign = close > at_ + 2 && (source_[close - 1] == '-' || source_[close - 1] == '+');
    advance(*after_close(sign ? close - 1 : close, "#}", true));
  }

  void raw(std::size_t begin) {
    const int opened = line_;
    advance(begin);
    for (std::size_t tag = source_.find("{%", at_); tag != std::string::npos; tag = source_.find("{%", tag + 2)) {
      if (const auto end = word_tag(tag, "endraw", true)) {
        add_text(tag, false);
        return advance(*end);
      }
    }
    raise("a raw block is not closed: 'endraw' is missing", opened);
  }

  void inside(bool variable) {
    const int opened = line_;
    std::vector<char> open_brackets;
    for (;;) {
      if (open_brackets.empty()) {
        if (const auto end = after_close(at_, variable ? "}}" : "%}", !variable)) {
          add(variable ? Token::Kind::kOutputEnd : Token::Kind::kBlockEnd, "");
          return advance(*end);
        }
      }
      if (const std::size_t next = skip_space(at_); next != at_) {
        advance(next);
        continue;
      }
      if (at_ == source_.size()) raise(variable ? "'{{' is not closed: '}}' is missing" : "'{%' is not closed: '%}' is missing", opened);
      const char c = source_[at_];
      if (is_digit(c)) {
        number();
      } else if (const std::size_t length = name_length(rest(at_)); length > 0) {
        add(Token::Kind::kName, std::string(rest(at_).substr(0, length)));
        advance(at_ + length);
      } else if (c == '\'' || c == '"') {
        string(c);
      } else {
        punctuation(open_brackets);
      }
    }
  }

  void number() {
    const auto digits = [&](std::size_t i) {
      while (i < source_.size() && (is_digit(source_[i]) || (source_[i] == '_' && i + 1 < source_.size() && is_digit(source_[i + 1])))) ++i;
      return i;
    };
    const auto digit_at = [&](std::size_t i) { return i < source_.size() && is_digit(source_[i]); };
    std::size_t end = digits(at_);
    bool real = false;
    if (at_ == 0 || source_[at_ - 1] != '.') {
      if (end < source_.size() && source_[end] == '.' && digit_at(end + 1)) {
        real = true;
        end = digits(end + 1);
      }
      if (end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
        std::size_t exponent = end + 1;
        if (exponent < source_.size() && (source_[exponent] == '+' || source_[exponent] == '-')) ++exponent;
        if (digit_at(exponent)) {
          real = true;
          end = digits(exponent);
        }
      }
    }
    std::string text(rest(at_).substr(0, end - at_));
    std::erase(text, '_');
    add(real ? Token::Kind::kFloat : Token::Kind::kInteger, std::move(text));
    advance(end);
  }

  void string(char quote) {
    std::size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) raise("a string is not closed: " + std::string(1, quote) + " is missing", line_);
    add(Token::Kind::kString, unescape(rest(at_ + 1).substr(0, end - at_ - 1)));
    advance(end + 1);
  }

  void punctuation(std::vector<char>& open_brackets) {
    static constexpr std::array<std::string_view, 6> kPairs = {"//", "**", "==", "!=", ">=", "<="};
    for (std::string_view pair : kPairs) {
      if (here(pair)) {
        add(Token::Kind::kOperator, std::string(pair));
        return advance(at_ + 2);
      }
    }
    const char c = source_[at_];
    if (std::string_view("+-/*%~[](){}><=.:|,").find(c) == std::string_view::npos)
      raise("unexpected character '" + std::string(first_character(rest(at_)).bytes) + "'", line_);
    if (c == '(' || c == '[' || c == '{') open_brackets.push_back(c == '(' ? ')' : c == '[' ? ']' : '}');
    if (c == ')' || c == ']' || c == '}') {
      if (open_brackets.empty() || open_brackets.back() != c) raise("unexpected '" + std::string(1, c) + "'", line_);
      open_brackets.pop_back();
    }
    add(Token::Kind::kOperator, std::string(1, c));
    advance(at_ + 1);
  }

  std::string source_;
  std::size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;  // the last character read ended a line
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) { return Lexer(source).run(); }

}  // namespace mlxr::text::jinja
