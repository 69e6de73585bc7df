#include "daemon/models/model_host.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>

#include "tests/core/engine/tiny_model.h"
#include "tests/platform/temporary_folder.h"

namespace mlxr::daemon {
namespace {

using testing::HasSubstr;

// Has one model, verified; `verified` is called before the host gets it.
class OneModel final : public store::Store {
 public:
  explicit OneModel(std::filesystem::path file) : file_(std::move(file)) {}
  std::function<void()> verified = [] {};

  Result<store::OpenModel> open_model(const store::ModelRef&, const store::CheckOptions&) override {
    store::OpenModel model{{.name = "tiny", .file = file_, .sha256 = std::string(64, 'a')}, platform::OpenFile::open(file_).value()};
    verified();
    return model;
  }

  Result<std::vector<store::ModelRecord>> list() override { return none(); }
  Result<store::ModelRecord> find(std::string_view) override { return none(); }
  Result<store::OpenModel> open_files(const platform::OpenFiles&, const std::optional<std::string>&, const store::CheckOptions&) override {
    return none();
  }
  std::optional<std::string> known_hash(const platform::OpenFiles&) override { return std::nullopt; }
  Result<store::ModelRecord> resolve(const store::ModelRef&, const store::CheckOptions&) override { return none(); }
  Result<store::ModelRecord> resolve_name(std::string_view, const store::CheckOptions&) override { return none(); }
  Result<store::ModelRecord> resolve_path(const std::filesystem::path&, const store::CheckOptions&) override { return none(); }
  Result<store::Offer> offer(const store::ModelRef&, const store::PullOptions&) override { return none(); }
  Result<store::ModelRecord> pull(const store::Offer&, const store::PullOptions&) override { return none(); }
  Result<store::ModelRecord> pull(std::string_view, const store::PullOptions&) override { return none(); }
  Result<store::ModelRecord> import(const std::filesystem::path&, std::string_view, const store::CheckOptions&) override { return none(); }
  Result<void> remove(std::string_view) override { return none(); }
  std::vector<store::Leftover> leftovers() override { return {}; }
  Result<std::optional<std::string>> license_accepted_at(const store::Offer&) override { return none(); }

 private:
  static std::unexpected<Error> none() { return fail(ErrorCode::kNotFound, "There is one model only."); }
  const std::filesystem::path file_;
};

class ModelHostTest : public testing::Test {
 protected:
  ModelHostTest() { write_tiny_model(file_, {.context = 256}); }

  const platform::TemporaryFolder folder_;
  const std::filesystem::path file_ = folder_.path / "tiny.gguf";
  OneModel store_{file_};
  // 4 KiB for each 32 tokens: this cache affords 128.
  const std::unique_ptr<Engine> engine_ = Engine::open({.threads = 1, .kv_bytes = 4 * 4096, .kernels = "mlx"}).value();
  ModelHost host_{*engine_, store_, {.memory = std::uint64_t{1} << 30}};
};

TEST_F(ModelHostTest, AFileThatChangesAfterItWasVerifiedIsNotLoaded) {
  store_.verified = [this] { std::ofstream(file_, std::ios::app) << "more"; };
  const auto refused = host_.acquire("tiny", {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(refused.error().message, HasSubstr("changed after it was verified"));
  store_.verified = [] {};
  EXPECT_TRUE(host_.acquire("tiny", {}));
}

TEST_F(ModelHostTest, AWishForMoreContextThanTheCacheAffordsTakesOneLoad) {
  const auto first = host_.acquire("tiny", {.context = 200}).value();
  EXPECT_EQ(first->model()->info().context_length, 128);
  EXPECT_EQ(host_.acquire("tiny", {.context = 250}).value()->model(), first->model());
}

TEST_F(ModelHostTest, NothingIsLoadedAfterStopLoading) {
  const auto loaded = host_.acquire("tiny", {}).value();
  host_.stop_loading();
  const auto refused = host_.acquire("tiny", {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kCancelled);
  EXPECT_THAT(refused.error().message, HasSubstr("mlxrunnerd stops"));
  EXPECT_EQ(loaded->model()->info().context_length, 128);  // requests that have it go on
}

}  // namespace
}  // namespace mlxr::daemon
