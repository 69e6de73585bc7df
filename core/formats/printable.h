// Makes text from a file safe to show in a terminal, a log or a message.
#pragma once

#include <string>
#include <string_view>

namespace mlxr::formats {

// Text from an untrusted file: shortened, control characters and non-ASCII bytes replaced by '?'.
std::string harmless(std::string_view text);

// The same in quotes, for a name within a sentence.
std::string printable(std::string_view name);

}  // namespace mlxr::formats
