#include "core/text/jinja/parser.h"

#include "core/text/jinja/expression_parser.h"
#include "core/text/jinja/lexer.h"
#include "core/text/jinja/raise.h"

namespace mlxr::text::jinja {
namespace {

using StmtPtr = std::unique_ptr<Stmt>;

class Parser : private ExpressionParser {
 public:
  explicit Parser(std::string_view source) : ExpressionParser(tokenize(source)) {}

  Body whole() {
    Body body = statements({});
    if (!is(Token::Kind::kEnd)) fail_here("the end of the template");
    return body;
  }

 private:
  using Words = std::initializer_list<std::string_view>;

  StmtPtr make_stmt(Stmt::Kind kind, int line) const { return std::make_unique<Stmt>(Stmt{.kind = kind, .line = line}); }

  bool at_word(Words words) const {
    for (std::string_view word : words)
      if (is_name(word)) return true;
    return false;
  }

  void end_tag() {
    if (!is(Token::Kind::kBlockEnd)) fail_here("'%}'");
    next();
  }

  // Up to a tag that opens with one of `ends`, which becomes the current token.
  Body statements(Words ends) {
    const Nesting nesting(*this);
    Body body;
    for (;;) {
      const int line = current().line;
      if (is(Token::Kind::kText)) {
        body.push_back(make_stmt(Stmt::Kind::kText, line));
        body.back()->text = next().text;
      } else if (is(Token::Kind::kOutputBegin)) {
        next();
        body.push_back(make_stmt(Stmt::Kind::kOutput, line));
        body.back()->expr = tuple();
        if (!is(Token::Kind::kOutputEnd)) fail_here("'}}'");
        next();
      } else if (is(Token::Kind::kBlockBegin)) {
        next();
        if (at_word(ends)) return body;
        body.push_back(statement());
        end_tag();
      } else {
        if (ends.size() > 0) fail_here("'" + std::string(*ends.begin()) + "'");
        return body;
      }
    }
  }

  // The body of a block whose opening tag ends here, with the word that closes it.
  Body block(std::string_view end) {
    end_tag();
    Body body = statements({end});
    next();
    return body;
  }

  StmtPtr statement() {
    const int line = current().line;
    const std::string word = is(Token::Kind::kName) ? next().text : "";
    if (word == "for") return for_loop(line);
    if (word == "if") return if_else(line);
    if (word == "set") return set(line);
    if (word == "macro") return macro(line);
    if (word == "call") return call_block(line);
    if (word == "with") return with(line);
    if (word == "filter") {
      StmtPtr s = make_stmt(Stmt::Kind::kFilterBlock, line);
      s->expr = filters(nullptr, true);
      s->body = block("endfilter");
      return s;
    }
    if (word == "generation") {  // marks the text on which models are trained; it changes nothing here
      StmtPtr s = make_stmt(Stmt::Kind::kScope, line);
      s->body = block("endgeneration");
      return s;
    }
    if (word == "break" || word == "continue") {
      if (loops_ == 0) raise("'" + word + "' outside of a loop", line);
      return make_stmt(word == "break" ? Stmt::Kind::kBreak : Stmt::Kind::kContinue, line);
    }
    if (word.empty()) fail_here("the name of a tag");
    raise("unknown tag '" + word + "'", line);
  }

  StmtPtr for_loop(int line) {
    StmtPtr s = make_stmt(Stmt::Kind::kFor, line);
    s->target = target(false);
    if (!skip_name("in")) fail_here("'in'");
    s->expr = tuple(false);
    if (skip_name("if")) s->condition = expression();
    s->recursive = skip_name("recursive");
    end_tag();
    ++loops_;
    s->body = statements({"endfor", "else"});
    --loops_;
    if (next().text == "else") s->other = block("endfor");
    return s;
  }

  StmtPtr if_else(int line) {
    StmtPtr s = make_stmt(Stmt::Kind::kIf, line);
    for (std::string word = "if"; word != "endif";) {
      if (word == "else") {
        s->other = block("endif");
        break;
      }
      ExprPtr condition = tuple(false);
      end_tag();
      Body body = statements({"elif", "else", "endif"});
      s->branches.emplace_back(std::move(condition), std::move(body));
      word = next().text;
    }
    return s;
  }

  StmtPtr set(int line) {
    StmtPtr s = make_stmt(Stmt::Kind::kSet, line);
    s->target = target(true);
    if (skip_op("=")) {
      s->expr = tuple();
      return s;
    }
    s->kind = Stmt::Kind::kSetBlock;
    s->expr = filters(nullptr, false);
    s->body = block("endset");
    return s;
  }

  StmtPtr with(int line) {
    StmtPtr s = make_stmt(Stmt::Kind::kScope, line);
    while (!is(Token::Kind::kBlockEnd)) {
      if (!s->targets.empty()) expect_op(",");
      s->targets.push_back(make(Expr::Kind::kName, current().line, expect_name(), {}));
      expect_op("=");
      s->values.push_back(expression());
    }
    s->body = block("endwith");
    return s;
  }

  void signature(MacroCode& code) {
    expect_op("(");
    while (!is_op(")")) {
      if (!code.parameters.empty()) expect_op(",");
      code.parameters.push_back(expect_name());
      if (skip_op("=")) {
        code.defaults.push_back(expression());
      } else if (!code.defaults.empty()) {
        fail_here("a default, as an earlier parameter has one");
      }
    }
    next();
  }

  // A macro's body does not belong to the loop around it, and the special names that it uses are its own.
  void macro_body(MacroCode& code, std::string_view end) {
    const int loops = std::exchange(loops_, 0);
    const bool caller = std::exchange(uses_caller_, false), varargs = std::exchange(uses_varargs_, false),
               kwargs = std::exchange(uses_kwargs_, false);
    code.body = block(end);
    code.uses_caller = std::exchange(uses_caller_, caller);
    code.uses_varargs = std::exchange(uses_varargs_, varargs);
    code.uses_kwargs = std::exchange(uses_kwargs_, kwargs);
    loops_ = loops;
  }

  StmtPtr macro(int line) {
    StmtPtr s = make_stmt(Stmt::Kind::kMacro, line);
    s->macro = std::make_unique<MacroCode>();
    s->macro->name = expect_name();
    signature(*s->macro);
    macro_body(*s->macro, "endmacro");
    return s;
  }

  StmtPtr call_block(int line) {
    StmtPtr s = make_stmt(Stmt::Kind::kCallBlock, line);
    s->macro = std::make_unique<MacroCode>();
    s->macro->name = "caller";
    if (is_op("(")) signature(*s->macro);
    s->expr = unary();
    if (s->expr->kind != Expr::Kind::kCall) raise("a call block needs a call", line);
    macro_body(*s->macro, "endcall");
    return s;
  }

  int loops_ = 0;
};

}  // namespace

Body parse_template(std::string_view source) { return Parser(source).whole(); }

}  // namespace mlxr::text::jinja
