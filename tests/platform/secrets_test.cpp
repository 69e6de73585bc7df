#include "platform/secrets.h"

#include "platform/files.h"
#include "tests/platform/temporary_folder.h"

namespace mlxr::platform {
namespace {

TEST(Secrets, TheTokenIsMadeOnceAndRotated) {
  TemporaryFolder folder;
  const Paths paths{.support = folder.path};
  const auto token = capability_token(paths).value();
  EXPECT_EQ(token.size(), 64u);
  EXPECT_EQ(capability_token(paths).value(), token);
  EXPECT_EQ(std::filesystem::status(token_file(paths)).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  const auto next = rotate_capability_token(paths).value();
  EXPECT_NE(next, token);
  EXPECT_EQ(capability_token(paths).value(), next);
}

TEST(Secrets, ATokenThatOthersCanReadOrThatIsDamagedIsRefused) {
  TemporaryFolder folder;
  const Paths paths{.support = folder.path};
  ASSERT_TRUE(capability_token(paths));
  std::filesystem::permissions(token_file(paths), std::filesystem::perms::others_read, std::filesystem::perm_options::add);
  EXPECT_EQ(capability_token(paths).error().code, ErrorCode::kPermission);
  ASSERT_TRUE(write_file_atomically(token_file(paths), "short\n", 0600));
  EXPECT_EQ(capability_token(paths).error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace mlxr::platform
