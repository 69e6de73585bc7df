#include "platform/sha256.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/platform/temporary_folder.h"

namespace mlxr::platform {
namespace {

// FIPS 180-2, appendix B.
constexpr auto kAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr auto kMillionA = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
constexpr auto kEmpty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

TEST(Sha256, HashesWhatArrivesInPieces) {
  Sha256 hash;
  hash.update("a", 1);
  hash.update("bc", 2);
  EXPECT_EQ(hash.hex(), kAbc);
  hash = Sha256();
  for (int i = 0; i < 1000; ++i) hash.update(std::string(1000, 'a').data(), 1000);
  EXPECT_EQ(hash.hex(), kMillionA);
  EXPECT_EQ(Sha256().hex(), kEmpty);
}

TEST(Sha256, OfAFile) {
  TemporaryFolder folder;
  const auto file = folder.path / "abc";
  std::ofstream(file) << "abc";
  std::uint64_t heard = 0;
  EXPECT_EQ(hash_file(file, [&](std::uint64_t bytes) { heard = bytes; }).value(), kAbc);
  EXPECT_EQ(heard, 3u);
  EXPECT_EQ(hash_file(folder.path / "none").error().code, ErrorCode::kNotFound);
  const std::atomic<bool> cancelled = true;
  EXPECT_EQ(hash_file(file, {}, &cancelled).error().code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace mlxr::platform
