// The page's own files: where they lie, and what the web view is given of them under mlxr://app/. There is no other address it may open.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include <mlxrunner/result.h>

namespace mlxr::app {

inline constexpr char kScheme[] = "mlxr";
inline constexpr char kStartAddress[] = "mlxr://app/index.html";

// The folder of the page that belongs to `program`: ../Resources/ui in a bundle, else ../share/mlxrunner/ui.
// Errors: kNotFound (says where it was looked for).
Result<std::filesystem::path> find_page(const std::filesystem::path& program);

// True for an address below mlxr://app/.
bool is_page_address(std::string_view address);

struct PageFile {
  std::string bytes;
  std::string type;  // as in Content-Type
};

// The file of an address, for example mlxr://app/style.css. Errors: kPermission (another address, or a way out of the folder),
// kUnsupported (a kind of file that no page has), kNotFound, kIo.
Result<PageFile> read_page_file(const std::filesystem::path& folder, std::string_view address);

}  // namespace mlxr::app
