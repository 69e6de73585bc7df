// The Metal kernel pack as scripts/build_metal.sh makes it without Apple's compiler, and what is refused of it. The engine then runs on MLX
// expressions.
#include "core/ops/metal_pack.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mlxrunner/engine.h>

#include <array>
#include <fstream>

#include "tests/core/ops/pack_copy.h"

#include "platform/sha256.h"

namespace mlxr::ops {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::array<std::string_view, 2> kFunctions = {"rms_norm_simd", "rms_norm_group"};

class MetalPackTest : public PackCopy {
 protected:
  MetalPackTest() : PackCopy("MLXR_METAL_PACK") {}

  Error refused() {
    auto pack = MetalPack::load(folder_, kFunctions);
    return pack ? Error{ErrorCode::kInternal, "it was accepted"} : pack.error();
  }
};

TEST_F(MetalPackTest, HasTheSourceOfEachVariantUnderItsDefines) {
  const auto pack = MetalPack::load(folder_, kFunctions);
  ASSERT_TRUE(pack) << pack.error().message;
  EXPECT_NE(pack->version, "");
  EXPECT_EQ(pack->library, "");
  ASSERT_EQ(pack->sources.size(), 2u);
  EXPECT_THAT(pack->sources.at("rms_norm_simd"), StartsWith("#define FUNCTION rms_norm_simd\n#define SIMDGROUPS 1\n#line 1\n"));
  EXPECT_THAT(pack->sources.at("rms_norm_group"), StartsWith("#define FUNCTION rms_norm_group\n#define SIMDGROUPS 8\n#line 1\n"));
  EXPECT_THAT(pack->sources.at("rms_norm_group"), HasSubstr("kernel void FUNCTION("));
}

TEST_F(MetalPackTest, OrIsALibraryThatAppleSCompilerMade) {
  std::ofstream(folder_ / "kernels.metallib") << "MTLB";
  replace_in_manifest("\"sources\"", "\"metallib\"");
  EXPECT_EQ(refused().code, ErrorCode::kCorrupt);  // it is not among the files
  replace_in_manifest("\"files\": {",
                      "\"files\": {\"kernels.metallib\": \"" + platform::hash_file(folder_ / "kernels.metallib").value() + "\",");
  const auto pack = MetalPack::load(folder_, kFunctions);
  ASSERT_TRUE(pack) << pack.error().message;
  EXPECT_EQ(pack->library, folder_ / "kernels.metallib");
  EXPECT_TRUE(pack->sources.empty());
}

TEST_F(MetalPackTest, RefusesAnotherAbi) {
  replace_in_manifest("\"abi\": ", "\"abi\": 99");
  const auto error = refused();
  EXPECT_EQ(error.code, ErrorCode::kVersion);
  EXPECT_THAT(error.message, HasSubstr("99"));
}

TEST_F(MetalPackTest, RefusesASourceThatIsNotTheManifests) {
  std::ofstream(folder_ / "rms_norm.metal", std::ios::app) << " ";
  EXPECT_EQ(refused().code, ErrorCode::kCorrupt);
}

TEST_F(MetalPackTest, RefusesAFileOutsideOfItsFolder) {
  replace_in_manifest("\"rms_norm.metal\"", "\"../rms_norm.metal\"");
  EXPECT_EQ(refused().code, ErrorCode::kCorrupt);
}

TEST_F(MetalPackTest, RefusesADamagedManifestAndAnUnknownForm) {
  replace_in_manifest("\"sources\"", "\"spirv\"");
  EXPECT_THAT(refused().message, HasSubstr("spirv"));
  std::ofstream(folder_ / "manifest.json") << "{";
  EXPECT_EQ(refused().code, ErrorCode::kCorrupt);
}

TEST_F(MetalPackTest, NamesAFunctionThatItLacks) {
  replace_in_manifest("\"rms_norm_group\"", "\"rms_norm_other\"");
  const auto error = refused();
  EXPECT_EQ(error.code, ErrorCode::kUnsupported);
  EXPECT_THAT(error.message, HasSubstr("rms_norm_group"));
}

#ifdef __APPLE__
// On a Mac's GPU: the pack's functions compile, and opening it runs each beside the MLX expressions.
TEST_F(MetalPackTest, OnAMacEachFunctionAgreesWithTheExpressions) {
  const auto engine = Engine::open({.threads = 1, .kernels = "metal", .kernel_pack = folder_});
  ASSERT_TRUE(engine) << engine.error().message;
  const auto status = (*engine)->status().kernels;
  EXPECT_EQ(status.variant, "metal") << status.warning;
  EXPECT_NE(status.pack_version, "");
  EXPECT_EQ(status.warning, "");
  EXPECT_EQ(status.fallbacks, 0u);
}
#else
TEST_F(MetalPackTest, WithoutAMacTheEngineWarnsCountsAndRuns) {
  const auto engine = Engine::open({.threads = 1, .kernels = "metal", .kernel_pack = folder_});
  ASSERT_TRUE(engine) << engine.error().message;
  const auto status = (*engine)->status().kernels;
  EXPECT_EQ(status.variant, "mlx");
  EXPECT_EQ(status.pack_version, "");
  EXPECT_THAT(status.warning, HasSubstr("need a Mac"));
  EXPECT_GE(status.fallbacks, 1u);
}
#endif

}  // namespace
}  // namespace mlxr::ops
