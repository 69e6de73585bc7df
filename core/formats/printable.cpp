#include "core/formats/printable.h"

namespace mlxr::formats {

std::string harmless(std::string_view text) {
  constexpr std::size_t kShown = 80;
  std::string out;
  for (const char c : text.substr(0, kShown)) out += c >= ' ' && c <= '~' ? c : '?';
  return text.size() > kShown ? out + "..." : out;
}

std::string printable(std::string_view name) { return "'" + harmless(name) + "'"; }

}  // namespace mlxr::formats
