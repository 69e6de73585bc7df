#include "core/text/jinja/arithmetic.h"

#include <cmath>
#include <cstdio>

#include "core/text/jinja/budget.h"
#include "core/text/jinja/raise.h"
#include "core/text/jinja/unicode.h"

namespace mlxr::text::jinja {
namespace {

[[noreturn]] void overflow() { raise("an integer does not fit 64 bits"); }

Value power(std::int64_t base, std::int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) raise("0.0 cannot be raised to a negative power");
    return Value(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  std::int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) overflow();
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) overflow();
  }
  return Value(result);
}

Value integer_arithmetic(std::string_view op, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (op == "+") {
    if (__builtin_add_overflow(a, b, &result)) overflow();
  } else if (op == "-") {
    if (__builtin_sub_overflow(a, b, &result)) overflow();
  } else if (op == "*") {
    if (__builtin_mul_overflow(a, b, &result)) overflow();
  } else if (op == "**") {
    return power(a, b);
  } else {
    if (b == 0) raise("division by zero");
    if (op == "/") return Value(static_cast<double>(a) / static_cast<double>(b));
    if (b == -1) return op == "%" ? Value(0) : negate(Value(a));
    const std::int64_t remainder = a % b;
    const bool floor_down = remainder != 0 && (remainder < 0) != (b < 0);
    result = op == "%" ? (floor_down ? remainder + b : remainder) : (floor_down ? a / b - 1 : a / b);
  }
  return Value(result);
}

Value float_arithmetic(std::string_view op, double a, double b) {
  if (op == "+") return Value(a + b);
  if (op == "-") return Value(a - b);
  if (op == "*") return Value(a * b);
  if (op == "**") {
    if (a < 0 && b != std::floor(b)) raise("a negative number cannot be raised to a fraction");
    if (a == 0 && b < 0) raise("0.0 cannot be raised to a negative power");
    return Value(std::pow(a, b));
  }
  if (b == 0) raise("float division by zero");
  if (op == "/") return Value(a / b);
  double remainder = std::fmod(a, b);
  if (remainder != 0 && (remainder < 0) != (b < 0)) remainder += b;
  if (op == "%") return Value(remainder == 0 ? std::copysign(0.0, b) : remainder);
  return Value(std::round((a - remainder) / b));
}

Value repeat(const Value& sequence, std::int64_t times) {
  const std::size_t n = times > 0 ? static_cast<std::size_t>(times) : 0;
  const auto check = [&](std::size_t each) {
    std::size_t total = 0;
    if (__builtin_mul_overflow(each, n, &total)) raise_limit("a repeated string or list is larger than memory");
    ensure_room(total);
  };
  if (const MarkedText* s = sequence.text()) {
    check(s->size());
    MarkedText out;
    out.reserve(s->size() * n);
    for (std::size_t i = 0; i < n && !s->empty(); ++i) out += *s;
    return Value(std::move(out));
  }
  const List* list = sequence.list();
  check(list->items.size() * sizeof(Value));
  std::vector<Value> out;
  for (std::size_t i = 0; i < n && !list->items.empty(); ++i) out.insert(out.end(), list->items.begin(), list->items.end());
  return Value(std::move(out), list->kind);
}

bool repeatable(const Value& v) {
  return v.string() != nullptr ||
         (v.list() != nullptr && (v.list()->kind == SequenceKind::kList || v.list()->kind == SequenceKind::kTuple));
}

struct Spec {
  std::string flags;
  int width = 0;
  int precision = -1;
  bool has(char flag) const { return flags.find(flag) != std::string::npos; }
};

MarkedText padded(const MarkedText& text, const Spec& spec) {
  const std::size_t have = count_code_points(text.bytes()), want = static_cast<std::size_t>(spec.width);
  const std::string spaces(have < want ? want - have : 0, ' ');
  MarkedText out;
  if (!spec.has('-')) out += spaces;
  out += text;
  if (spec.has('-')) out += spaces;
  return out;
}

std::string formatted_number(const Value& v, char conversion, const Spec& spec) {
  if (!v.require().is_number()) raise("%" + std::string(1, conversion) + " format: a number is required, not " + v.type_name());
  const bool real = std::string_view("eEfFgG").find(conversion) != std::string_view::npos;
  std::string pattern = "%" + spec.flags + std::to_string(spec.width);
  if (spec.precision >= 0) pattern += "." + std::to_string(spec.precision);
  if (!real && conversion != 'd' && v.is_float()) raise("%" + std::string(1, conversion) + " format: an integer is required, not float");
  const double d = v.real();
  if (!real && v.is_float() && !(std::abs(d) < 9e18)) overflow();
  const long long integer = v.is_float() ? static_cast<long long>(d) : v.integer();
  pattern += real ? std::string(1, conversion) : "ll" + std::string(1, conversion);
  std::string out(static_cast<std::size_t>(spec.width + (spec.precision > 0 ? spec.precision : 0)) + 400, '\0');
  const int n =
      real ? std::snprintf(out.data(), out.size(), pattern.c_str(), d) : std::snprintf(out.data(), out.size(), pattern.c_str(), integer);
  out.resize(static_cast<std::size_t>(n));
  return out;
}

}  // namespace

Value negate(const Value& a) {
  if (a.require().is_float()) return Value(-a.real());
  if (!a.is_integral()) raise("bad operand type for unary -: '" + std::string(a.type_name()) + "'");
  return integer_arithmetic("-", 0, a.integer());
}

Value arithmetic(std::string_view op, const Value& a, const Value& b) {
  if (op == "%" && a.string() != nullptr) return Value(percent_format(*a.text(), b));
  a.require();
  b.require();
  if (a.is_integral() && b.is_integral()) return integer_arithmetic(op, a.integer(), b.integer());
  if (a.is_number() && b.is_number()) return float_arithmetic(op, a.real(), b.real());
  if (op == "*" && repeatable(a) && b.is_integral()) return repeat(a, b.integer());
  if (op == "*" && repeatable(b) && a.is_integral()) return repeat(b, a.integer());
  if (op == "+" && a.string() != nullptr && b.string() != nullptr) {
    ensure_room(a.string()->size() + b.string()->size());
    MarkedText out = *a.text();
    out += *b.text();
    return Value(std::move(out));
  }
  if (op == "+" && repeatable(a) && repeatable(b) && a.list() != nullptr && b.list() != nullptr && a.list()->kind == b.list()->kind) {
    ensure_room((a.list()->items.size() + b.list()->items.size()) * sizeof(Value));
    std::vector<Value> items = a.list()->items;
    items.insert(items.end(), b.list()->items.begin(), b.list()->items.end());
    return Value(std::move(items), a.list()->kind);
  }
  if (op == "+" && a.string() != nullptr) raise("can only concatenate str (not \"" + std::string(b.type_name()) + "\") to str");
  raise("unsupported operand type(s) for " + std::string(op) + ": '" + a.type_name() + "' and '" + b.type_name() + "'");
}

MarkedText percent_format(const MarkedText& text, const Value& arguments) {
  const std::string_view format = text.bytes();
  const List* tuple = arguments.list();
  if (tuple != nullptr && tuple->kind != SequenceKind::kTuple) tuple = nullptr;
  const std::size_t available = tuple != nullptr ? tuple->items.size() : 1;
  std::size_t used = 0;
  bool by_name = false;
  MarkedText out;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      out.append_part(text, format.substr(i, 1));
      continue;
    }
    const auto peek = [&] {
      if (i + 1 >= format.size()) raise("incomplete format");
      return format[i + 1];
    };
    const Value* named = nullptr;
    if (peek() == '(') {
      const std::size_t close = format.find(')', i);
      const std::string_view name = close == std::string_view::npos ? "" : format.substr(i + 2, close - i - 2);
      if (arguments.dict() == nullptr) raise("format requires a mapping");
      named = arguments.dict()->find(name);
      if (named == nullptr) raise("the format names the missing key '" + std::string(name) + "'");
      by_name = true;
      i = close;
    }
    Spec spec;
    while (std::string_view("-+ 0#").find(peek()) != std::string_view::npos) spec.flags += format[++i];
    const auto number = [&] {
      int n = 0;
      while (peek() >= '0' && peek() <= '9') {
        n = n * 10 + (format[++i] - '0');
        if (n > 10000) raise_limit("a format's width is larger than 10000");
      }
      return n;
    };
    spec.width = number();
    if (peek() == '.') {
      ++i;
      spec.precision = number();
    }
    const char conversion = peek();
    ++i;
    if (conversion == '%') {
      out += '%';
      continue;
    }
    if (named == nullptr && used == available) raise("not enough arguments for format string");
    const Value& v = named != nullptr ? *named : tuple != nullptr ? tuple->items[used] : arguments;
    used += named == nullptr;
    if (conversion == 's' || conversion == 'r') {
      MarkedText printed = conversion == 's' ? v.print() : v.repr();
      if (spec.precision >= 0) printed.truncate(bytes_of(printed.bytes(), static_cast<std::size_t>(spec.precision)));
      out += padded(printed, spec);
    } else if (std::string_view("diuoxXeEfFgG").find(conversion) != std::string_view::npos) {
      out += formatted_number(v, conversion == 'i' || conversion == 'u' ? 'd' : conversion, spec);
    } else {
      raise("unsupported format character '" + std::string(1, conversion) + "'");
    }
    ensure_room(out.size());
  }
  // In Python any object with elements may be passed as the mapping, even if the format looks nothing up in it.
  const bool has_elements = arguments.dict() != nullptr || arguments.is_undefined() ||
                            (arguments.list() != nullptr && tuple == nullptr && arguments.list()->kind <= SequenceKind::kRange);
  if (!by_name && used < available && !has_elements) raise("not all arguments converted during string formatting");
  return out;
}

}  // namespace mlxr::text::jinja
