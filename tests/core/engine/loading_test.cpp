// What a load does when it is cancelled, and how much context it serves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mlxrunner/engine.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <future>
#include <latch>

#include "core/engine/loaded_model.h"
#include "core/kv/cache.h"
#include "core/models/transformer.h"
#include "core/ops/pack.h"
#include "tests/core/engine/tiny_model.h"
#include "tests/platform/temporary_folder.h"

namespace mlxr {
namespace {

using ::testing::HasSubstr;

bool has_nothing(const std::filesystem::path& folder) {
  return !std::filesystem::exists(folder) || std::filesystem::directory_iterator(folder) == std::filesystem::directory_iterator();
}

class LoadingTest : public ::testing::Test {
 protected:
  LoadingTest() { write_tiny_model(file_, {.context = 256}); }

  LoadOptions options() const { return {.panel_folder = panels_, .digest = std::string(64, 'a')}; }

  const platform::TemporaryFolder folder_;
  const std::filesystem::path file_ = folder_.path / "tiny.gguf", panels_ = folder_.path / "panels";
  // An arena block of 32 tokens takes 4 KiB in float16: 2 layers, keys and values, one head of 16.
  const std::unique_ptr<Engine> engine_ =
      Engine::open({.threads = 2, .kv_bytes = std::uint64_t{1} << 20, .kernel_pack = std::getenv("MLXR_KERNEL_PACK")}).value();
};

TEST_F(LoadingTest, ALoadThatIsCancelledBeforeItBeginsReadsNothing) {
  const std::atomic<bool> cancelled = true;
  auto asked = options();
  asked.cancelled = &cancelled;
  asked.admit = [](const ModelInfo&) -> Result<void> {
    ADD_FAILURE() << "the model was described";
    return {};
  };
  EXPECT_EQ(engine_->load(file_, asked).error().code, ErrorCode::kCancelled);
  EXPECT_TRUE(has_nothing(panels_));
}

TEST_F(LoadingTest, AnotherThreadCancelsWhileTheModelIsAdmitted) {
  std::atomic<bool> cancelled = false;
  std::latch waits(1), done(1);
  auto asked = options();
  asked.cancelled = &cancelled;
  asked.admit = [&](const ModelInfo&) -> Result<void> {
    waits.count_down();
    done.wait();
    return {};
  };
  auto load = std::async(std::launch::async, [&] { return engine_->load(file_, asked); });
  waits.wait();
  cancelled = true;
  done.count_down();
  EXPECT_EQ(load.get().error().code, ErrorCode::kCancelled);
  EXPECT_TRUE(has_nothing(panels_));
  cancelled = false;
  asked.admit = nullptr;
  EXPECT_TRUE(engine_->load(file_, asked));  // the next one is not concerned
}

// A checkpoint that calls `before` with the name of each tensor that is read.
class WatchedFile final : public formats::Checkpoint {
 public:
  WatchedFile(std::shared_ptr<const Checkpoint> file, const std::function<void(std::string_view)>& before) : file_(std::move(file)) {
    for (const auto& tensor : file_->tensors()) {
      sources_.push_back(std::make_unique<WatchedSource>(tensor, before));
      tensors_.push_back(tensor);
      tensors_.back().source = sources_.back().get();
    }
  }

  const formats::Metadata& metadata() const override { return file_->metadata(); }
  std::shared_ptr<const formats::Metadata> share_metadata() const override { return file_->share_metadata(); }
  std::span<const formats::Tensor> tensors() const override { return tensors_; }
  const formats::Tensor* find(std::string_view name) const override {
    const auto found = std::ranges::find(tensors_, name, &formats::Tensor::name);
    return found == tensors_.end() ? nullptr : &*found;
  }
  std::uint64_t file_size() const override { return file_->file_size(); }
  bool unchanged() const override { return file_->unchanged(); }

 private:
  struct WatchedSource final : formats::Source {
    WatchedSource(const formats::Tensor& watched, const std::function<void(std::string_view)>& call) : tensor(watched), before(call) {}
    std::uint64_t size() const override { return tensor.source->size(); }
    Result<void> read(std::uint64_t offset, std::span<std::byte> to) const override {
      before(tensor.name);
      return tensor.source->read(offset, to);
    }
    const formats::Tensor& tensor;
    const std::function<void(std::string_view)>& before;
  };

  std::shared_ptr<const Checkpoint> file_;
  std::vector<std::unique_ptr<WatchedSource>> sources_;
  std::vector<formats::Tensor> tensors_;
};

TEST_F(LoadingTest, ALoadThatIsCancelledInTheMiddleEndsWithItsTensorAndLeavesNoFile) {
  const auto pack = ops::KernelPack::load(std::getenv("MLXR_KERNEL_PACK"), "scalar", 2).value();
  const std::shared_ptr<const ops::Ops> ops = ops::make_pack_ops(pack);
  std::atomic<bool> cancelled = false;
  std::string last;
  const std::function<void(std::string_view)> before = [&](std::string_view name) {
    last = name;
    if (name == "blk.1.attn_norm.weight") cancelled = true;
  };
  const WatchedFile file(formats::Checkpoint::open(file_).value(), before);
  auto panels =
      ops::Panels::open(file.tensors(), *ops, {.folder = panels_, .digest = std::string(64, 'a'), .cancelled = &cancelled}).value();
  EXPECT_FALSE(has_nothing(panels_));  // the file that is being made
  const auto description = models::describe(file.metadata(), file.tensors()).value();
  const auto model =
      models::Transformer::load(description, file, ops, *panels, {.block_tokens = kv::kBlockTokens, .cancelled = &cancelled});
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(last, "blk.1.attn_norm.weight");
  panels.reset();
  EXPECT_TRUE(has_nothing(panels_));
}

TEST_F(LoadingTest, TheContextIsTheSmallestOfTheLimitTheModelsAndWhatTheCacheAffords) {
  const auto context = [&](Engine& engine, int most) { return engine.load(file_, {.max_context = most}).value()->info().context_length; };
  EXPECT_EQ(context(*engine_, 0), 256);
  EXPECT_EQ(context(*engine_, 100), 100);
  EXPECT_EQ(context(*engine_, 1000000), 256);
  const auto small = Engine::open({.threads = 2, .kv_bytes = 4 * 4096, .kernel_pack = std::getenv("MLXR_KERNEL_PACK")}).value();
  EXPECT_EQ(context(*small, 0), 128);
  EXPECT_EQ(context(*small, 200), 128);
  EXPECT_EQ(context(*small, 100), 100);
}

// Of every other layer's cache a text takes the window of 20 tokens, 64 behind it, a step of 32 and the block that they begin in: 5 blocks.
TEST_F(LoadingTest, AWindowCostsAWindow) {
  const auto path = folder_.path / "windows.gguf";
  const auto info_of = [&](std::uint32_t window) {
    auto shape = tiny_with_windows(window);
    shape.context = 256;
    write_tiny_model(path, shape);
    const auto engine = Engine::open({.threads = 2, .max_batch_tokens = 32, .kernels = "mlx"}).value();
    return engine->load(path).value()->info();
  };
  constexpr std::uint64_t kBlockOfALayer = kTinyBlockBytes / 2;
  const auto wide = info_of(256), narrow = info_of(20);
  EXPECT_EQ(wide.kv_bytes_saved, 0u);
  EXPECT_EQ(narrow.kv_bytes_saved, (8 - 5) * kBlockOfALayer);
  EXPECT_EQ(wide.kv_bytes - narrow.kv_bytes, engine::kMostSessions * (8 - 5) * kBlockOfALayer) << "each of a full batch of short texts";
}

TEST_F(LoadingTest, ALimitBelowZeroIsRefusedByName) {
  const auto refused = engine_->load(file_, {.max_context = -1});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(refused.error().message, HasSubstr("max_context"));
}

}  // namespace
}  // namespace mlxr
