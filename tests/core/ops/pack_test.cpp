// A pack that does not fit is refused with a reason; the engine then runs on MLX expressions and says so.
#include "core/ops/pack.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mlxrunner/engine.h>

#include <fstream>

#include "tests/core/ops/pack_copy.h"

namespace mlxr::ops {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class KernelPackTest : public PackCopy {
 protected:
  KernelPackTest() : PackCopy("MLXR_KERNEL_PACK") {}

  ErrorCode code() { return KernelPack::load(folder_, "auto", 1).error().code; }
};

TEST_F(KernelPackTest, TheBuiltPackLoads) {
  const auto pack = KernelPack::load(folder_, "auto", 2);
  ASSERT_TRUE(pack) << pack.error().message;
  EXPECT_STRNE((*pack)->table().version, "");
}

TEST_F(KernelPackTest, RefusesAnotherAbi) {
  replace_in_manifest("\"abi\": ", "\"abi\": 99");
  EXPECT_EQ(code(), ErrorCode::kVersion);
}

TEST_F(KernelPackTest, RefusesALibraryThatIsNotTheManifests) {
  for (const auto& entry : fs::directory_iterator(folder_)) {
    if (entry.path().filename() != "manifest.json") std::ofstream(entry.path(), std::ios::app) << "x";
  }
  EXPECT_EQ(code(), ErrorCode::kCorrupt);
}

TEST_F(KernelPackTest, RefusesADamagedManifest) {
  std::ofstream(folder_ / "manifest.json") << "{";
  EXPECT_EQ(code(), ErrorCode::kCorrupt);
}

TEST_F(KernelPackTest, RefusesAnUnknownVariant) { EXPECT_EQ(KernelPack::load(folder_, "sse9", 1).error().code, ErrorCode::kUnsupported); }

TEST_F(KernelPackTest, WithoutAPackTheEngineWarnsCountsAndRuns) {
  fs::remove_all(folder_);
  const auto engine = Engine::open({.threads = 1, .kernel_pack = folder_});
  ASSERT_TRUE(engine) << engine.error().message;
  const auto status = (*engine)->status().kernels;
  EXPECT_EQ(status.variant, "mlx");
  EXPECT_THAT(status.warning, HasSubstr("no kernel pack"));
  EXPECT_GE(status.fallbacks, 1u);
}

}  // namespace
}  // namespace mlxr::ops
