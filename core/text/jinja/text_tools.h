// Python's string operations that both methods and filters offer. Parts of a text keep the origins of its bytes.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/text/jinja/value.h"

namespace mlxr::text::jinja {

// `most` < 0: no limit. `from_right`: the limit counts from the end, as in rsplit.
std::vector<Value> split_space(const MarkedText& s, std::int64_t most, bool from_right);
std::vector<Value> split_text(const MarkedText& s, std::string_view separator, std::int64_t most, bool from_right);
std::vector<Value> split_lines(const MarkedText& s, bool keep_ends);
// The part before the separator, the separator, and the part after it; all of s at the near end when it does not occur.
std::vector<Value> partition_text(const MarkedText& s, const MarkedText& separator, bool from_right);
MarkedText replace_text(const MarkedText& s, std::string_view old, const MarkedText& with, std::int64_t most);
std::size_t count_text(std::string_view s, std::string_view what);

MarkedText upper_case(const MarkedText& s);
MarkedText lower_case(const MarkedText& s);
MarkedText title_case(const MarkedText& s);
MarkedText capitalize(const MarkedText& s);
MarkedText swap_case(const MarkedText& s);
bool has_cased(std::string_view s);

// The text with spaces, or `fill`, around it. `method`: zfill, center, ljust or rjust.
MarkedText pad_text(const MarkedText& s, std::int64_t width, std::string_view method, std::string_view fill);

// "{} {0} {name}".format(...), without format specifications and attribute look-ups.
MarkedText brace_format(const MarkedText& s, const Arguments& arguments);

}  // namespace mlxr::text::jinja
