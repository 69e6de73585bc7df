#include "store/registry.h"

#include <cstdlib>

#include <gtest/gtest.h>

#include "platform/files.h"

namespace mlxr::store {
namespace {

class RegistryTest : public testing::Test {
 protected:
  RegistryTest() {
    std::string name = testing::TempDir() + "registry-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    file_ = folder_ / "registry.sqlite";
  }
  ~RegistryTest() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_, file_;
};

TEST_F(RegistryTest, MigrationsRunOnceInOrderAndKeepTheData) {
  {
    auto registry = Registry::open(file_);
    ASSERT_TRUE(registry) << registry.error().message;
    ASSERT_TRUE((*registry)->put({.name = "a:1", .file = "/a", .size = 7}));
  }
  std::vector<std::string_view> steps(migrations().begin(), migrations().end());
  steps.push_back("ALTER TABLE models ADD COLUMN note TEXT NOT NULL DEFAULT 'n'");
  steps.push_back("UPDATE models SET license = note");  // needs the step before it
  for (int time = 0; time < 2; ++time) {
    auto registry = Registry::open(file_, steps);
    ASSERT_TRUE(registry) << registry.error().message;
    const auto model = (*registry)->model("a:1");
    ASSERT_TRUE(model && *model);
    EXPECT_EQ((*model)->size, 7u);
    EXPECT_EQ((*model)->license, "n");
  }
}

TEST_F(RegistryTest, AFailingMigrationChangesNothing) {
  ASSERT_TRUE(Registry::open(file_));
  std::vector<std::string_view> steps(migrations().begin(), migrations().end());
  steps.push_back("DROP TABLE models; SELECT no_such_function()");
  EXPECT_FALSE(Registry::open(file_, steps));
  auto registry = Registry::open(file_);
  ASSERT_TRUE(registry) << registry.error().message;
  EXPECT_TRUE((*registry)->models());
}

TEST_F(RegistryTest, ANewerSchemaIsRefusedAndNotTouched) {
  std::vector<std::string_view> steps(migrations().begin(), migrations().end());
  steps.push_back("CREATE TABLE of_the_future(x)");
  ASSERT_TRUE(Registry::open(file_, steps));
  const auto before = platform::read_file(file_, 1 << 20).value();
  const auto time = std::filesystem::last_write_time(file_);
  const auto registry = Registry::open(file_);
  ASSERT_FALSE(registry);
  EXPECT_EQ(registry.error().code, ErrorCode::kVersion) << registry.error().message;
  EXPECT_EQ(platform::read_file(file_, 1 << 20).value(), before);
  EXPECT_EQ(std::filesystem::last_write_time(file_), time);
  EXPECT_FALSE(std::filesystem::exists(file_.string() + "-wal"));
}

TEST_F(RegistryTest, AFileThatIsNoDatabaseIsCorrupt) {
  ASSERT_TRUE(platform::write_file_atomically(file_, std::string(4096, 'x')));
  const auto registry = Registry::open(file_);
  ASSERT_FALSE(registry);
  EXPECT_EQ(registry.error().code, ErrorCode::kCorrupt) << registry.error().message;
}

TEST_F(RegistryTest, AHashHoldsWhileTheFileLooksTheSame) {
  auto registry = Registry::open(file_).value();
  const FileStamp stamp{1, 2, 3};
  ASSERT_TRUE(registry->set_verified("/f", stamp, "abc"));
  EXPECT_EQ(registry->verified("/f", stamp).value(), "abc");
  EXPECT_EQ(registry->verified("/f", FileStamp{1, 9, 3}).value(), std::nullopt);
}

}  // namespace
}  // namespace mlxr::store
