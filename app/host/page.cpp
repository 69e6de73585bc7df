#include "app/host/page.h"

#include <algorithm>
#include <array>
#include <utility>

#include "platform/files.h"

namespace mlxr::app {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kRoot = "mlxr://app/";
constexpr std::uint64_t kMaxBytes = 64 << 20;

using Type = std::pair<std::string_view, std::string_view>;
constexpr std::array kTypes{Type{".css", "text/css"},          Type{".html", "text/html"}, Type{".js", "text/javascript"},
                            Type{".json", "application/json"}, Type{".png", "image/png"},  Type{".svg", "image/svg+xml"},
                            Type{".woff2", "font/woff2"}};

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '/';
}

}  // namespace

Result<fs::path> find_page(const fs::path& program) {
  const fs::path above = program.parent_path().parent_path();
  const fs::path in_bundle = above / "Resources" / "ui", in_prefix = above / "share" / "mlxrunner" / "ui";
  for (const fs::path& folder : {in_bundle, in_prefix}) {
    std::error_code ignored;
    if (fs::is_regular_file(folder / "index.html", ignored)) return folder;
  }
  return fail(ErrorCode::kNotFound,
              "The page of MLXR is neither in " + in_bundle.string() + " nor in " + in_prefix.string() + ". Install MLXR again.");
}

bool is_page_address(std::string_view address) { return address.starts_with(kRoot); }

Result<PageFile> read_page_file(const fs::path& folder, std::string_view address) {
  if (!is_page_address(address)) return fail(ErrorCode::kPermission, "The page may not load " + std::string(address) + ".");
  const std::string name(address.substr(kRoot.size()));
  // No path leads out of the folder: nothing is decoded, and no component may begin with a dot.
  if (name.starts_with('/') || !std::ranges::all_of(name, is_plain) || ("/" + name).contains("/."))
    return fail(ErrorCode::kPermission, "The page may not load " + std::string(address) + ".");
  const std::string ending = fs::path(name).extension();
  const auto type = std::ranges::find(kTypes, ending, &Type::first);
  if (type == kTypes.end()) return fail(ErrorCode::kUnsupported, "A page has no files like " + name + ".");
  auto bytes = platform::read_file(folder / name, kMaxBytes);
  if (!bytes) return fail(bytes.error());
  return PageFile{std::move(*bytes), std::string(type->second)};
}

}  // namespace mlxr::app
