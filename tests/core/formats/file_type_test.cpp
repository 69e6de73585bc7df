#include "core/formats/file_type.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/core/formats/gguf_builder.h"
#include "tests/platform/temporary_folder.h"

namespace mlxr::formats {
namespace {

class FileType : public ::testing::Test {
 protected:
  std::string name_of(const GgufBuilder& builder) const {
    const auto path = folder_.path / "m.gguf";
    std::ofstream(path, std::ios::binary) << builder.bytes();
    return file_type_name(**Checkpoint::open(path));
  }
  std::string name_of_number(std::uint32_t number) const { return name_of(GgufBuilder().key("general.file_type", kU32, number)); }

  const platform::TemporaryFolder folder_;
};

TEST_F(FileType, IsTheNameThatPeopleGiveTheNumber) {
  EXPECT_EQ(name_of_number(15), "Q4_K_M");
  EXPECT_EQ(name_of_number(27), "IQ3_M");
  EXPECT_EQ(name_of_number(38), "MXFP4_MOE");
  EXPECT_EQ(name_of_number(40), "Q1_0");
}

TEST_F(FileType, WithoutANumberItIsTheTypeOfMostOfTheMatrices) {
  constexpr std::uint32_t kF32 = 0, kIQ2_XXS = 16, kMXFP4 = 39;
  auto file = GgufBuilder().tensor("norm", {1024}, kF32, 0).tensor("a", {256, 2}, kIQ2_XXS, 4096).tensor("b", {32, 4}, kMXFP4, 4256);
  EXPECT_EQ(name_of(file.data(4352)), "IQ2_XXS");
  EXPECT_EQ(name_of_number(35), "unknown");  // of a type that GGUF no longer has, and there is no matrix
}

}  // namespace
}  // namespace mlxr::formats
