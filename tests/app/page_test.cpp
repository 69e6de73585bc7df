#include "app/host/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/platform/temporary_folder.h"

namespace mlxr::app {
namespace {

namespace fs = std::filesystem;
using platform::TemporaryFolder;
using testing::HasSubstr;

void write(const fs::path& file, std::string_view text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file) << text;
}

TEST(Page, LiesInTheBundleOrInThePrefix) {
  const TemporaryFolder root;
  const fs::path program = root.path / "bin" / "mlxr";
  const auto missing = find_page(program);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().message, HasSubstr((root.path / "share/mlxrunner/ui").string()));

  write(root.path / "share/mlxrunner/ui/index.html", "x");
  EXPECT_EQ(find_page(program).value(), root.path / "share/mlxrunner/ui");
  write(root.path / "Resources/ui/index.html", "x");
  EXPECT_EQ(find_page(program).value(), root.path / "Resources/ui");
}

TEST(Page, GivesItsFilesWithTheirType) {
  const TemporaryFolder root;
  write(root.path / "index.html", "<p>");
  write(root.path / "parts/list.js", "1;");
  EXPECT_EQ(read_page_file(root.path, "mlxr://app/index.html").value().type, "text/html");
  const auto script = read_page_file(root.path, "mlxr://app/parts/list.js").value();
  EXPECT_EQ(script.type, "text/javascript");
  EXPECT_EQ(script.bytes, "1;");
}

TEST(Page, NoAddressLeadsOutOfItsFolder) {
  const TemporaryFolder root;
  const fs::path ui = root.path / "ui";
  write(root.path / "secret.json", "{}");
  write(ui / ".hidden.json", "{}");
  write(ui / "index.html", "");
  for (const std::string address :
       {"mlxr://app/../secret.json", "mlxr://app/x/../../secret.json", "mlxr://app/%2e%2e/secret.json", "mlxr://app//etc/x.json",
        "mlxr://app/.hidden.json", "mlxr://app/index.html?x", "mlxr://app\\..\\secret.json", "mlxr://other/index.html",
        "https://example.com/index.html", "file:///index.html", "mlxr:index.html", ""}) {
    const auto file = read_page_file(ui, address);
    ASSERT_FALSE(file) << address;
    EXPECT_EQ(file.error().code, ErrorCode::kPermission) << address;
  }
}

TEST(Page, FilesThatAreNoPartOfAPageAreNotGiven) {
  const TemporaryFolder root;
  write(root.path / "key.pem", "");
  EXPECT_EQ(read_page_file(root.path, "mlxr://app/key.pem").error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(read_page_file(root.path, "mlxr://app/").error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(read_page_file(root.path, "mlxr://app/none.css").error().code, ErrorCode::kNotFound);
}

TEST(Page, AddressesElsewhereAreNotItsOwn) {
  EXPECT_TRUE(is_page_address("mlxr://app/index.html"));
  for (const char* address : {"mlxr://app.example.com/", "mlxr://app", "https://app/", "about:blank", ""})
    EXPECT_FALSE(is_page_address(address));
}

}  // namespace
}  // namespace mlxr::app
