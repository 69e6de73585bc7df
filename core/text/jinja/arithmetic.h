// Python's arithmetic operators on values. Integers are 64 bits wide; what does not fit is an error, never a wrong number.
#pragma once

#include <string>
#include <string_view>

#include "core/text/jinja/value.h"

namespace mlxr::text::jinja {

Value arithmetic(std::string_view op, const Value& a, const Value& b);
Value negate(const Value& a);

// "%s is %d" % arguments. `arguments` is a tuple for several, a dict for "%(name)s", or the one value.
MarkedText percent_format(const MarkedText& format, const Value& arguments);

}  // namespace mlxr::text::jinja
