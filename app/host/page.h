// The page's files, which the web view gets under mlxr://app/. It may open no other address.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include <mlxrunner/result.h>

namespace mlxr::app {

inline constexpr char kScheme[] = "mlxr";
inline constexpr char kStartAddress[] = "mlxr://app/index.html";

// The folder with the page of `program`: ../Resources/ui in a bundle, otherwise ../share/mlxrunner/ui.
// Errors: kNotFound (the message lists both places).
Result<std::filesystem::path> find_page(const std::filesystem::path& program);

// True for an address below mlxr://app/.
bool is_page_address(std::string_view address);

struct PageFile {
  std::string bytes;
  std::string type;  // as in Content-Type
};

// The file at an address, for example mlxr://app/style.css. Errors: kPermission (another address, or a path out of the folder),
// kUnsupported (an unexpected type of file), kNotFound, kIo.
Result<PageFile> read_page_file(const std::filesystem::path& folder, std::string_view address);

}  // namespace mlxr::app
