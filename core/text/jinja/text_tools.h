// Python's string operations that both methods and filters offer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/text/jinja/value.h"

namespace mlxr::text::jinja {

// `most` < 0: no limit. `from_right`: the limit counts from the end, as in rsplit.
std::vector<Value> split_space(std::string_view s, std::int64_t most, bool from_right);
std::vector<Value> split_text(std::string_view s, std::string_view separator, std::int64_t most, bool from_right);
std::vector<Value> split_lines(std::string_view s, bool keep_ends);
std::string replace_text(std::string_view s, std::string_view old, std::string_view with, std::int64_t most);
std::size_t count_text(std::string_view s, std::string_view what);
std::string title_case(std::string_view s);
std::string capitalize(std::string_view s);
std::string swap_case(std::string_view s);
std::string pad_text(std::string_view s, std::int64_t width, std::string_view method,
                     std::string_view fill);  // zfill, center, ljust, rjust

// "{} {0} {name}".format(...), without format specifications and attribute look-ups.
std::string brace_format(std::string_view s, const Arguments& arguments);

}  // namespace mlxr::text::jinja
