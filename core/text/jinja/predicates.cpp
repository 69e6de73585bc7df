// The tests that stand after `is`.
#include <cmath>

#include "core/text/jinja/objects.h"
#include "core/text/jinja/raise.h"
#include "core/text/jinja/text_tools.h"
#include "core/text/jinja/unicode.h"

namespace mlxr::text::jinja {
namespace {

using In = Interpreter;

const Value& operand(const Arguments& args) { return *Bound("test", args, {"other"}, 1)[0]; }

std::partial_ordering order(const Value& v, const Arguments& args, std::string_view op) { return compare(v, operand(args), op); }

std::int64_t integer_of(const Value& v) {
  if (!v.require().is_integral()) raise("an integer is needed, not " + std::string(v.type_name()));
  return v.integer();
}

bool is_sequence(const Value& v) {
  return v.is_undefined() || v.string() != nullptr || v.dict() != nullptr ||
         (v.list() != nullptr && v.list()->kind <= SequenceKind::kRange);
}

bool same(const Value& a, const Value& b) {
  if (a.string() != nullptr || b.string() != nullptr) return a.string() != nullptr && b.string() != nullptr && *a.string() == *b.string();
  if (a.list() != nullptr || a.dict() != nullptr) return a.list() == b.list() && a.dict() == b.dict();
  return std::string_view(a.type_name()) == b.type_name() && equal(a, b);
}

bool is_case(const Value& v, std::string (*change)(std::string_view)) {
  const MarkedText text = v.print();
  return change(text.bytes()) == text.bytes() && has_cased(text.bytes());
}

constexpr std::pair<std::string_view, Test> kTests[] = {
    {"defined", [](In&, const Value& v, const Arguments&) { return !v.is_undefined(); }},
    {"undefined", [](In&, const Value& v, const Arguments&) { return v.is_undefined(); }},
    {"none", [](In&, const Value& v, const Arguments&) { return v.is_none(); }},
    {"string", [](In&, const Value& v, const Arguments&) { return v.string() != nullptr; }},
    {"number", [](In&, const Value& v, const Arguments&) { return v.is_number(); }},
    {"integer", [](In&, const Value& v, const Arguments&) { return v.is_int(); }},
    {"float", [](In&, const Value& v, const Arguments&) { return v.is_float(); }},
    {"boolean", [](In&, const Value& v, const Arguments&) { return v.is_bool(); }},
    {"true", [](In&, const Value& v, const Arguments&) { return v.is_bool() && v.truthy(); }},
    {"false", [](In&, const Value& v, const Arguments&) { return v.is_bool() && !v.truthy(); }},
    {"mapping", [](In&, const Value& v, const Arguments&) { return v.dict() != nullptr; }},
    {"iterable", [](In&, const Value& v, const Arguments&) { return iterable(v); }},
    {"sequence", [](In&, const Value& v, const Arguments&) { return is_sequence(v); }},
    {"callable",
     [](In&, const Value& v, const Arguments&) { return v.is_undefined() || (v.object() != nullptr && v.object()->callable()); }},
    {"odd", [](In&, const Value& v, const Arguments&) { return integer_of(v) % 2 != 0; }},
    {"even", [](In&, const Value& v, const Arguments&) { return integer_of(v) % 2 == 0; }},
    {"divisibleby",
     [](In&, const Value& v, const Arguments& args) {
       const std::int64_t by = integer_of(operand(args));
       if (by == 0) raise("division by zero");
       return by == -1 || integer_of(v) % by == 0;
     }},
    {"lower", [](In&, const Value& v, const Arguments&) { return is_case(v, lower); }},
    {"upper", [](In&, const Value& v, const Arguments&) { return is_case(v, upper); }},
    {"in", [](In&, const Value& v, const Arguments& args) { return contains(operand(args), v); }},
    {"sameas", [](In&, const Value& v, const Arguments& args) { return same(v, operand(args)); }},
    {"filter", [](In&, const Value& v, const Arguments&) { return v.string() != nullptr && find_filter(*v.string()) != nullptr; }},
    {"test", [](In&, const Value& v, const Arguments&) { return v.string() != nullptr && find_test(*v.string()) != nullptr; }},
    {"escaped", [](In&, const Value&, const Arguments&) { return false; }},
    {"eq", [](In&, const Value& v, const Arguments& args) { return equal(v, operand(args)); }},
    {"ne", [](In&, const Value& v, const Arguments& args) { return !equal(v, operand(args)); }},
    {"lt", [](In&, const Value& v, const Arguments& args) { return order(v, args, "<") < 0; }},
    {"le", [](In&, const Value& v, const Arguments& args) { return order(v, args, "<=") <= 0; }},
    {"gt", [](In&, const Value& v, const Arguments& args) { return order(v, args, ">") > 0; }},
    {"ge", [](In&, const Value& v, const Arguments& args) { return order(v, args, ">=") >= 0; }},
};

constexpr std::pair<std::string_view, std::string_view> kAliases[] = {
    {"==", "eq"}, {"equalto", "eq"}, {"!=", "ne"},          {"<", "lt"},  {"lessthan", "lt"},
    {"<=", "le"}, {">", "gt"},       {"greaterthan", "gt"}, {">=", "ge"},
};

}  // namespace

Test find_test(std::string_view name) {
  for (const auto& [alias, real] : kAliases)
    if (alias == name) name = real;
  for (const auto& [known, test] : kTests)
    if (known == name) return test;
  return nullptr;
}

}  // namespace mlxr::text::jinja
