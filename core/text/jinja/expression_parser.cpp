#include "core/text/jinja/expression_parser.h"

#include <algorithm>
#include <charconv>

#include "core/text/jinja/raise.h"

namespace mlxr::text::jinja {
namespace {

constexpr int kMaxNesting = 60;  // parentheses, brackets and blocks within each other
constexpr int kMaxDepth = 200;   // of a tree: `a + b + c + ...` is as deep as it is long

int depth(const ExprPtr& e) { return e ? e->depth : 0; }

}  // namespace

ExpressionParser::Nesting::Nesting(ExpressionParser& parser) : parser_(parser) {
  if (++parser_.nesting_ > kMaxNesting) {
    --parser_.nesting_;
    raise("nested deeper than " + std::to_string(kMaxNesting) + " levels", parser_.current().line);
  }
}

bool ExpressionParser::skip_op(std::string_view op) {
  if (!is_op(op)) return false;
  next();
  return true;
}
bool ExpressionParser::skip_name(std::string_view name) {
  if (!is_name(name)) return false;
  next();
  return true;
}
void ExpressionParser::expect_op(std::string_view op) {
  if (!skip_op(op)) fail_here("'" + std::string(op) + "'");
}
std::string ExpressionParser::expect_name() {
  if (!is(Token::Kind::kName)) fail_here("a name");
  return next().text;
}

void ExpressionParser::fail_here(std::string_view wanted) const {
  const Token& t = current();
  std::string found = "'" + t.text + "'";
  switch (t.kind) {
    case Token::Kind::kEnd: found = "the end of the template"; break;
    case Token::Kind::kText: found = "text"; break;
    case Token::Kind::kBlockEnd: found = "'%}'"; break;
    case Token::Kind::kOutputEnd: found = "'}}'"; break;
    case Token::Kind::kBlockBegin: found = "'{%'"; break;
    case Token::Kind::kOutputBegin: found = "'{{'"; break;
    default: break;
  }
  raise("expected " + std::string(wanted) + ", found " + found, t.line);
}

void ExpressionParser::adopt(Expr& parent, ExprPtr child) const {
  parent.depth = std::max(parent.depth, depth(child) + 1);
  if (parent.depth > kMaxDepth) raise("an expression has more than " + std::to_string(kMaxDepth) + " levels", parent.line);
  parent.parts.push_back(std::move(child));
}

ExprPtr ExpressionParser::make(Expr::Kind kind, int line, std::string text, std::initializer_list<ExprPtr*> parts) const {
  auto e = std::make_unique<Expr>(Expr{.kind = kind, .line = line, .text = std::move(text)});
  for (ExprPtr* part : parts) adopt(*e, std::move(*part));
  return e;
}

ExprPtr ExpressionParser::expression() {
  const Nesting nesting(*this);
  const int line = current().line;
  ExprPtr e = disjunction();
  while (skip_name("if")) {
    ExprPtr condition = disjunction();
    ExprPtr otherwise;
    if (skip_name("else")) otherwise = expression();
    e = make(Expr::Kind::kConditional, line, "", {&e, &condition, &otherwise});
  }
  return e;
}

bool ExpressionParser::ends_tuple() const {
  return is(Token::Kind::kOutputEnd) || is(Token::Kind::kBlockEnd) || is_op(")") || is_name("recursive");
}

ExprPtr ExpressionParser::tuple(bool conditional) {
  const int line = current().line;
  ExprPtr first = conditional ? expression() : disjunction();
  if (!is_op(",")) return first;
  ExprPtr e = make(Expr::Kind::kTuple, line, "", {&first});
  while (skip_op(",") && !ends_tuple()) adopt(*e, conditional ? expression() : disjunction());
  return e;
}

ExprPtr ExpressionParser::target(bool allow_namespace) {
  const Nesting nesting(*this);
  const int line = current().line;
  const auto one = [&]() -> ExprPtr {
    if (skip_op("(")) {
      ExprPtr inner = target(allow_namespace);
      expect_op(")");
      return inner;
    }
    ExprPtr name = make(Expr::Kind::kName, current().line, expect_name(), {});
    static constexpr std::string_view kReserved[] = {"true", "false", "none", "True", "False", "None"};
    if (std::find(std::begin(kReserved), std::end(kReserved), name->text) != std::end(kReserved))
      raise("cannot assign to '" + name->text + "'", line);
    if (allow_namespace && skip_op(".")) return make(Expr::Kind::kAttribute, line, expect_name(), {&name});
    return name;
  };
  ExprPtr first = one();
  if (!is_op(",")) return first;
  ExprPtr e = make(Expr::Kind::kTuple, line, "", {&first});
  while (skip_op(",") && (is_op("(") || (is(Token::Kind::kName) && !is_name("in")))) adopt(*e, one());
  return e;
}

ExprPtr ExpressionParser::disjunction() {
  const int line = current().line;
  ExprPtr left = conjunction();
  while (skip_name("or")) {
    ExprPtr right = conjunction();
    left = make(Expr::Kind::kOr, line, "", {&left, &right});
  }
  return left;
}

ExprPtr ExpressionParser::conjunction() {
  const int line = current().line;
  ExprPtr left = negation();
  while (skip_name("and")) {
    ExprPtr right = negation();
    left = make(Expr::Kind::kAnd, line, "", {&left, &right});
  }
  return left;
}

ExprPtr ExpressionParser::negation() {
  const int line = current().line;
  if (!skip_name("not")) return comparison();
  const Nesting nesting(*this);
  ExprPtr inner = negation();
  return make(Expr::Kind::kNot, line, "", {&inner});
}

ExprPtr ExpressionParser::comparison() {
  const int line = current().line;
  ExprPtr left = sum();
  ExprPtr chain;
  for (;;) {
    std::string op;
    static constexpr std::string_view kOps[] = {"==", "!=", "<", "<=", ">", ">="};
    if (is(Token::Kind::kOperator) && std::find(std::begin(kOps), std::end(kOps), current().text) != std::end(kOps)) {
      op = next().text;
    } else if (skip_name("in")) {
      op = "in";
    } else if (is_name("not") && tokens_[at_ + 1].kind == Token::Kind::kName && tokens_[at_ + 1].text == "in") {
      next();
      next();
      op = "not in";
    } else {
      return chain ? std::move(chain) : std::move(left);
    }
    if (!chain) chain = make(Expr::Kind::kCompare, line, "", {&left});
    chain->ops.push_back(std::move(op));
    adopt(*chain, sum());
  }
}

ExprPtr ExpressionParser::sum() {
  ExprPtr left = concatenation();
  while (is_op("+") || is_op("-")) {
    const Token op = next();
    ExprPtr right = concatenation();
    left = make(Expr::Kind::kArithmetic, op.line, op.text, {&left, &right});
  }
  return left;
}

ExprPtr ExpressionParser::concatenation() {
  const int line = current().line;
  ExprPtr first = product();
  if (!is_op("~")) return first;
  ExprPtr e = make(Expr::Kind::kConcat, line, "", {&first});
  while (skip_op("~")) adopt(*e, product());
  return e;
}

ExprPtr ExpressionParser::product() {
  ExprPtr left = power();
  while (is_op("*") || is_op("/") || is_op("//") || is_op("%")) {
    const Token op = next();
    ExprPtr right = power();
    left = make(Expr::Kind::kArithmetic, op.line, op.text, {&left, &right});
  }
  return left;
}

ExprPtr ExpressionParser::power() {
  ExprPtr left = unary();
  while (is_op("**")) {
    const Token op = next();
    ExprPtr right = unary();
    left = make(Expr::Kind::kArithmetic, op.line, op.text, {&left, &right});
  }
  return left;
}

ExprPtr ExpressionParser::unary(bool with_filter) {
  const Nesting nesting(*this);
  const int line = current().line;
  ExprPtr e;
  if (is_op("-") || is_op("+")) {
    const Expr::Kind kind = next().text == "-" ? Expr::Kind::kNegate : Expr::Kind::kPlus;
    ExprPtr inner = unary(false);
    e = make(kind, line, "", {&inner});
  } else {
    e = primary();
  }
  e = postfix(std::move(e));
  return with_filter ? filters(std::move(e), false) : std::move(e);
}

ExprPtr ExpressionParser::number() {
  const Token t = next();
  const char* end = t.text.data() + t.text.size();
  ExprPtr e = make(Expr::Kind::kConst, t.line, "", {});
  if (t.kind == Token::Kind::kInteger) {
    std::int64_t value = 0;
    if (std::from_chars(t.text.data(), end, value).ec != std::errc()) raise("the number " + t.text + " does not fit 64 bits", t.line);
    e->value = Value(value);
  } else {
    e->value = Value(std::strtod(t.text.c_str(), nullptr));  // infinite where too large, as in Python
  }
  return e;
}

ExprPtr ExpressionParser::primary() {
  const Token& t = current();
  const int line = t.line;
  switch (t.kind) {
    case Token::Kind::kName: {
      const std::string name = next().text;
      ExprPtr e = make(Expr::Kind::kConst, line, "", {});
      if (name == "true" || name == "True") {
        e->value = Value(true);
      } else if (name == "false" || name == "False") {
        e->value = Value(false);
      } else if (name == "none" || name == "None") {
        e->value = Value(None{});
      } else {
        uses_caller_ |= name == "caller";
        uses_varargs_ |= name == "varargs";
        uses_kwargs_ |= name == "kwargs";
        return make(Expr::Kind::kName, line, name, {});
      }
      return e;
    }
    case Token::Kind::kString: {
      std::string text;
      while (is(Token::Kind::kString)) text += next().text;
      ExprPtr e = make(Expr::Kind::kConst, line, "", {});
      e->value = Value(std::move(text));
      return e;
    }
    case Token::Kind::kInteger:
    case Token::Kind::kFloat: return number();
    case Token::Kind::kOperator:
      if (t.text == "(") return parenthesized();
      if (t.text == "[") return list();
      if (t.text == "{") return dict();
      break;
    default: break;
  }
  fail_here("a value");
}

ExprPtr ExpressionParser::parenthesized() {
  const int line = next().line;
  if (skip_op(")")) return make(Expr::Kind::kTuple, line, "", {});
  ExprPtr e = tuple();
  expect_op(")");
  return e;
}

ExprPtr ExpressionParser::list() {
  ExprPtr e = make(Expr::Kind::kList, next().line, "", {});
  while (!is_op("]")) {
    if (!e->parts.empty()) expect_op(",");
    if (is_op("]")) break;
    adopt(*e, expression());
  }
  next();
  return e;
}

ExprPtr ExpressionParser::dict() {
  ExprPtr e = make(Expr::Kind::kDict, next().line, "", {});
  while (!is_op("}")) {
    if (!e->parts.empty()) expect_op(",");
    if (is_op("}")) break;
    adopt(*e, expression());
    expect_op(":");
    adopt(*e, expression());
  }
  next();
  return e;
}

ExprPtr ExpressionParser::postfix(ExprPtr node) {
  for (;;) {
    const int line = current().line;
    if (skip_op(".")) {
      if (is(Token::Kind::kInteger)) {
        ExprPtr index = number();
        node = make(Expr::Kind::kItem, line, "", {&node, &index});
      } else {
        node = make(Expr::Kind::kAttribute, line, expect_name(), {&node});
      }
    } else if (is_op("[")) {
      node = subscript(std::move(node));
    } else if (is_op("(")) {
      node = make(Expr::Kind::kCall, line, "", {&node});
      call_arguments(*node);
    } else {
      return node;
    }
  }
}

ExprPtr ExpressionParser::subscript(ExprPtr node) {
  const int line = next().line;
  ExprPtr bounds[3];
  bool slice = false;
  for (int i = 0; i < 3; ++i) {
    if (!is_op(":") && !is_op("]")) bounds[i] = expression();
    if (i == 2 || !skip_op(":")) break;
    slice = true;
  }
  if (!slice && !bounds[0]) fail_here("an index");
  expect_op("]");
  if (!slice) return make(Expr::Kind::kItem, line, "", {&node, &bounds[0]});
  return make(Expr::Kind::kSlice, line, "", {&node, &bounds[0], &bounds[1], &bounds[2]});
}

void ExpressionParser::call_arguments(Expr& call) {
  const auto deepen = [&](const ExprPtr& argument) {
    call.depth = std::max(call.depth, argument->depth + 1);
    if (call.depth > kMaxDepth) raise("an expression has more than " + std::to_string(kMaxDepth) + " levels", call.line);
  };
  CallArguments& args = call.arguments;
  expect_op("(");
  for (bool first = true; !is_op(")"); first = false) {
    if (!first) {
      expect_op(",");
      if (is_op(")")) break;
    }
    if (skip_op("*")) {
      if (args.star || args.star_star) fail_here("one *argument, before **arguments");
      args.star = expression();
      deepen(args.star);
    } else if (skip_op("**")) {
      if (args.star_star) fail_here("one **argument");
      args.star_star = expression();
      deepen(args.star_star);
    } else if (is(Token::Kind::kName) && tokens_[at_ + 1].kind == Token::Kind::kOperator && tokens_[at_ + 1].text == "=") {
      if (args.star_star) fail_here("no named argument after **arguments");
      std::string name = next().text;
      next();
      args.named.emplace_back(std::move(name), expression());
      deepen(args.named.back().second);
    } else {
      if (args.star || args.star_star || !args.named.empty()) fail_here("a named argument");
      args.positional.push_back(expression());
      deepen(args.positional.back());
    }
  }
  next();
}

std::string ExpressionParser::dotted_name() {
  std::string name = expect_name();
  while (skip_op(".")) name += "." + expect_name();
  return name;
}

ExprPtr ExpressionParser::filters(ExprPtr node, bool first) {
  for (;;) {
    const int line = current().line;
    if (first || skip_op("|")) {
      first = false;
      node = make(Expr::Kind::kFilter, line, dotted_name(), {&node});
      if (is_op("(")) call_arguments(*node);
    } else if (node && skip_name("is")) {
      node = test(std::move(node));
    } else if (node && is_op("(")) {
      node = make(Expr::Kind::kCall, line, "", {&node});
      call_arguments(*node);
    } else {
      return node;
    }
  }
}

ExprPtr ExpressionParser::test(ExprPtr node) {
  const int line = current().line;
  const bool negated = skip_name("not");
  ExprPtr e = make(Expr::Kind::kTest, line, dotted_name(), {&node});
  const bool opens_value = is(Token::Kind::kName) || is(Token::Kind::kString) || is(Token::Kind::kInteger) || is(Token::Kind::kFloat) ||
                           is_op("[") || is_op("{");
  if (is_op("(")) {
    call_arguments(*e);
  } else if (opens_value && !is_name("else") && !is_name("or") && !is_name("and")) {
    if (is_name("is")) fail_here("no second 'is': tests cannot be chained");
    const Nesting nesting(*this);
    e->arguments.positional.push_back(postfix(primary()));
    e->depth = std::max(e->depth, e->arguments.positional[0]->depth + 1);
  }
  return negated ? make(Expr::Kind::kNot, line, "", {&e}) : std::move(e);
}

}  // namespace mlxr::text::jinja
