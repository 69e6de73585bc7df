// Expressions of the template language, by precedence.
#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

#include "core/text/jinja/ast.h"
#include "core/text/jinja/lexer.h"

namespace mlxr::text::jinja {

class ExpressionParser {
 public:
  explicit ExpressionParser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  ExprPtr expression();                        // with `x if y else z`
  ExprPtr tuple(bool conditional = true);      // one expression, or several with commas; without `x if y` where `if` means something else
  ExprPtr target(bool allow_namespace);        // what can be assigned to
  ExprPtr filters(ExprPtr input, bool first);  // `| f | g`; `first`: the first name stands without a bar
  ExprPtr postfix(ExprPtr node);               // .name, [index] and (call)
  ExprPtr unary(bool with_filter = true);

 protected:
  const Token& current() const { return tokens_[at_]; }
  Token next() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  bool is(Token::Kind kind) const { return current().kind == kind; }
  bool is_op(std::string_view op) const { return is(Token::Kind::kOperator) && current().text == op; }
  bool is_name(std::string_view name) const { return is(Token::Kind::kName) && current().text == name; }
  bool skip_op(std::string_view op);
  bool skip_name(std::string_view name);
  void expect_op(std::string_view op);
  std::string expect_name();
  [[noreturn]] void fail_here(std::string_view wanted) const;

  ExprPtr make(Expr::Kind kind, int line, std::string text, std::initializer_list<ExprPtr*> parts) const;
  void adopt(Expr& parent, ExprPtr child) const;  // appends, and checks the depth

  // Counts nested calls of the parser itself.
  class Nesting {
   public:
    explicit Nesting(ExpressionParser& parser);
    ~Nesting() { --parser_.nesting_; }

   private:
    ExpressionParser& parser_;
  };

  // Special names that the macro being parsed mentions.
  bool uses_caller_ = false, uses_varargs_ = false, uses_kwargs_ = false;

 private:
  ExprPtr disjunction();
  ExprPtr conjunction();
  ExprPtr negation();
  ExprPtr comparison();
  ExprPtr sum();
  ExprPtr concatenation();
  ExprPtr product();
  ExprPtr power();
  ExprPtr primary();
  ExprPtr number();
  ExprPtr list();
  ExprPtr dict();
  ExprPtr parenthesized();
  ExprPtr subscript(ExprPtr node);
  ExprPtr test(ExprPtr node);
  std::string dotted_name();
  void call_arguments(Expr& call);
  bool ends_tuple() const;

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int nesting_ = 0;
};

}  // namespace mlxr::text::jinja
