#include "platform/open_file.h"

#include <array>
#include <fstream>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "platform/sha256.h"
#include "tests/platform/temporary_folder.h"

namespace mlxr::platform {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class OpenFileTest : public ::testing::Test {
 protected:
  fs::path write(std::string_view text, const char* name = "file") const {
    std::ofstream(folder_.path / name, std::ios::binary) << text;
    return folder_.path / name;
  }
  static std::string text(const OpenFile& file, std::uint64_t offset, std::size_t size) {
    std::string out(size, '\0');
    EXPECT_TRUE(file.read(offset, std::as_writable_bytes(std::span(out))));
    return out;
  }
  TemporaryFolder folder_;
};

TEST_F(OpenFileTest, ReadsAnywhere) {
  const auto file = OpenFile::open(write("hello world")).value();
  EXPECT_EQ(file.size(), 11u);
  EXPECT_EQ(text(file, 6, 5), "world");
  EXPECT_EQ(text(file, 0, 5), "hello");
}

// The point of it: a name that is given to another file between a check and a use changes nothing.
TEST_F(OpenFileTest, StaysTheFileThatWasOpened) {
  const auto path = write("the checked one");
  const auto file = OpenFile::open(path).value();
  const auto hash = hash_file(file).value();
  fs::rename(write("another", "other"), path);
  EXPECT_EQ(text(file, 4, 7), "checked");
  EXPECT_EQ(hash_file(file).value(), hash);
  EXPECT_TRUE(file.unchanged());
}

TEST_F(OpenFileTest, TakesADescriptorOfAnybody) {
  const auto path = write("sent over a socket");
  FileDescriptor fd(::open(path.c_str(), O_RDONLY));
  const auto twin = OpenFile::duplicate(fd.get(), "model.gguf").value();
  EXPECT_NE(twin.descriptor(), fd.get());
  const auto adopted = OpenFile::adopt(std::move(fd), "model.gguf").value();
  EXPECT_EQ(text(twin, 0, 4), "sent");
  EXPECT_EQ(text(adopted, 0, 4), "sent");
  EXPECT_EQ(adopted.name(), "model.gguf");

  FileDescriptor writer(::open(path.c_str(), O_WRONLY));
  EXPECT_EQ(OpenFile::adopt(std::move(writer), path).error().code, ErrorCode::kPermission);
  EXPECT_EQ(OpenFile::duplicate(-1, path).error().code, ErrorCode::kIo);
}

TEST_F(OpenFileTest, AFileThatIsCutIsAnErrorAndNoSignal) {
  const auto path = write(std::string(1 << 16, 'x'));
  const auto file = OpenFile::open(path).value();
  ASSERT_TRUE(file.unchanged());
  fs::resize_file(path, 4096);
  std::array<std::byte, 64> bytes;
  EXPECT_TRUE(file.read(0, bytes));
  const auto cut = file.read(4090, bytes);
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(cut.error().message, HasSubstr("became shorter"));
  EXPECT_FALSE(file.unchanged());
}

TEST_F(OpenFileTest, RefusesWhatIsNoRegularFile) {
  EXPECT_EQ(OpenFile::open(folder_.path / "absent").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(OpenFile::open(folder_.path).error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(OpenFile::open("/dev/null").error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(OpenFile::open(write("")).error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace mlxr::platform
