#include "store/model_ref.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "store/hub_ref.h"
#include "store/names.h"

namespace mlxr::store {
namespace {

std::unexpected<Error> refuse(std::string message) { return fail(ErrorCode::kInvalidArgument, std::move(message)); }

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// The message must not repeat control characters to a terminal.
std::string visible(std::string_view text) {
  std::string out(text.substr(0, 200));
  std::replace_if(out.begin(), out.end(), is_control, '?');
  return out;
}

bool ends_like_a_model_file(std::string_view text) {
  static constexpr std::string_view kEnd = ".gguf";
  if (text.size() < kEnd.size()) return false;
  return std::equal(kEnd.begin(), kEnd.end(), text.end() - kEnd.size(),
                    [](char a, char b) { return a == std::tolower(static_cast<unsigned char>(b)); });
}

bool looks_like_a_path(std::string_view text) {
  return text.find('/') != std::string_view::npos || ends_like_a_model_file(text) || text == "." || text == ".." || text == "~";
}

}  // namespace

Result<ModelRef> ModelRef::parse(std::string_view text, PathRule paths) {
  if (text.empty()) return refuse("The name of the model is empty.");
  if (text.find('\0') != std::string_view::npos) return refuse("The name of the model contains a NUL character.");
  const bool has_control = std::ranges::any_of(text, is_control);
  const auto without_control = [&](Kind kind, std::string as) -> Result<ModelRef> {
    if (has_control) return refuse("The name '" + visible(text) + "' contains control characters.");
    return ModelRef{kind, std::move(as)};
  };

  if (const auto hub = HubRef::parse(text)) {
    if (!*hub) return fail(hub->error());
    return without_control(Kind::kHub, (*hub)->to_string());
  }
  if (is_address(text)) return without_control(Kind::kAddress, std::string(text));
  if (text.starts_with("pypi:")) return without_control(Kind::kPackage, std::string(text));
  if (text.find("://") != std::string_view::npos) {
    return refuse("'" + visible(text) + "' is not an address that MLXR can download from. Addresses begin with https:// or hf:.");
  }
  if (!looks_like_a_path(text)) return without_control(Kind::kName, std::string(text));
  if (paths == PathRule::kAny || (paths == PathRule::kAbsolute && text.starts_with('/'))) return ModelRef{Kind::kPath, std::string(text)};
  return refuse("'" + visible(text) +
                "' is a path. A client may name a model file only by its absolute path, and only over the Unix socket.");
}

}  // namespace mlxr::store
