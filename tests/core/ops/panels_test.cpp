// Weights are repacked once, the result is kept whole or not at all, and it is made again when the kept file does not match.
#include "core/ops/panels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/ops/checked_files.h"
#include "core/ops/ops.h"
#include "core/ops/pack.h"
#include "tests/platform/temporary_folder.h"

namespace mlxr::ops {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Two matrices and a vector, in memory.
struct TwoMatrices {
  TwoMatrices() {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 97) - 48;
    tensors.push_back({"a", quant::Type::kF32, {40, 32}, 0, 40 * 32 * 4, &source});
    tensors.push_back({"norm", quant::Type::kF32, {32}, 0, 32 * 4, &source});
    tensors.push_back({"b", quant::Type::kF32, {5, 64}, 32, 5 * 64 * 4, &source});
  }
  std::vector<float> values = std::vector<float>(2000);
  formats::MemorySource source{std::as_bytes(std::span(values))};
  std::vector<formats::Tensor> tensors;
};

class PanelsTest : public ::testing::Test {
 protected:
  PanelsTest() : ops_(make_pack_ops(KernelPack::load(std::getenv("MLXR_KERNEL_PACK"), "scalar", 1).value())) {}

  std::unique_ptr<Panels> open(std::string digest, std::uint64_t limit = 0) {
    return Panels::open(file_.tensors, *ops_, {.folder = folder_, .digest = std::move(digest), .limit = limit}).value();
  }
  // With the second matrix paged.
  Result<std::unique_ptr<Panels>> open_paged(PanelOptions options) {
    options.paged = {file_.tensors[2]};
    return Panels::open(file_.tensors, *ops_, std::move(options));
  }
  // As a load does.
  bool load(std::string digest, std::uint64_t limit = 0) {
    const auto panels = open(std::move(digest), limit);
    fill(*panels);
    panels->keep();
    return panels->cached();
  }
  std::vector<WeightPtr> fill(Panels& panels) {
    std::vector<WeightPtr> weights;
    for (const auto& tensor : file_.tensors)
      if (tensor.shape.size() == 2) weights.push_back(ops_->prepare(tensor, {}, panels).value());
    return weights;
  }
  std::vector<std::string> files() {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_)) names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
  }
  std::string name_of(const std::string& digest) { return digest + "-" + ops_->panel_layout() + ".panels"; }

  platform::TemporaryFolder temporary_;
  fs::path folder_ = temporary_.path / "cache";
  TwoMatrices file_;
  std::unique_ptr<const Ops> ops_;
};

TEST_F(PanelsTest, TheSecondLoadTakesWhatTheFirstMade) {
  std::vector<std::byte> made;
  {
    const auto panels = open("abc");
    fill(*panels);
    const auto of_b = panels->find(file_.tensors[2]);
    made.assign(of_b.get(), of_b.get() + ops_->panel_bytes(file_.tensors[2]));
    EXPECT_FALSE(panels->cached());
    panels->keep();
  }
  EXPECT_THAT(files(), ElementsAre(name_of("abc")));
  const auto panels = open("abc");
  EXPECT_TRUE(panels->cached());
  EXPECT_TRUE(std::equal(made.begin(), made.end(), panels->find(file_.tensors[2]).get()));
  EXPECT_FALSE(load("another file"));
}

// Rows of 16 KiB are made 64 at a time, by three threads; the last piece is a part of that.
TEST_F(PanelsTest, AMatrixThatThreadsMakeInPiecesIsWhole) {
  ops_ = make_pack_ops(KernelPack::load(std::getenv("MLXR_KERNEL_PACK"), "scalar", 3).value());
  constexpr int kRows = 790, kColumns = 4096;
  std::vector<float> values(kRows * kColumns);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  const formats::MemorySource source(std::as_bytes(std::span(values)));
  const formats::Tensor tensor{"w", quant::Type::kF32, {kRows, kColumns}, 0, sizeof(float) * values.size(), &source};
  for (const bool cached : {false, true}) {  // a kept file whose checksum is not that of all pieces in order would be made again
    const auto panels = Panels::open({&tensor, 1}, *ops_, {.folder = folder_, .digest = "abc"}).value();
    EXPECT_EQ(panels->cached(), cached);
    const auto weight = ops_->prepare(tensor, {}, *panels).value();
    panels->keep();

    Batch every_row;
    for (int row = 0; row < kRows; ++row) every_row.tokens.push_back(row);
    const auto rows = ops_->embed(*ops_->begin(every_row, {}), *weight, 1.0f);
    EXPECT_TRUE(std::equal(values.begin(), values.end(), rows.data<float>()));
  }
}

TEST_F(PanelsTest, WhatIsNotAllMadeIsNotKept) {
  open("abc");  // and no keep()
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(PanelsTest, AFileThatACrashLeftIsRemovedAndOneInTheMakingIsNot) {
  const auto making = open("one");
  const auto in_the_making = files();
  ASSERT_EQ(in_the_making.size(), 1);
  std::ofstream(folder_ / (name_of("two") + "-part-abcdef")) << "half";
  open("three");
  EXPECT_EQ(files(), in_the_making);
}

TEST_F(PanelsTest, AKeptFileOfAnotherSizeOrKindIsMadeAgain) {
  load("abc");
  fs::resize_file(folder_ / name_of("abc"), 5000);
  EXPECT_FALSE(load("abc"));
  EXPECT_TRUE(load("abc"));
  std::fstream(folder_ / name_of("abc"), std::ios::in | std::ios::out) << "something else";
  EXPECT_FALSE(load("abc"));
  EXPECT_TRUE(load("abc"));
}

// A bit that flipped on the disk would be a wrong answer for as long as the file is there.
TEST_F(PanelsTest, AKeptFileWithAFlippedBitIsMadeAgain) {
  load("abc");
  const auto file = folder_ / name_of("abc");
  const auto size = static_cast<std::streamoff>(fs::file_size(file));
  for (const std::streamoff at : {std::streamoff{4096}, std::streamoff{4096} + 5000, size - 1}) {
    std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekg(at);
    const char byte = static_cast<char>(bytes.get() ^ 0x10);
    bytes.seekp(at);
    bytes.put(byte);
    bytes.close();
    EXPECT_FALSE(load("abc")) << at;
    EXPECT_TRUE(load("abc")) << at;
  }
}

// Its checksums are not computed again: what is said of it by its stamp is believed.
TEST_F(PanelsTest, AFileThatThisProcessCheckedIsNotReadAgain) {
  load("abc");
  const auto file = folder_ / name_of("abc");
  std::fstream(file, std::ios::in | std::ios::out | std::ios::binary).seekp(5000) << "damage";
  CheckedFiles::all().add(platform::FileStamp::of(file).value());
  EXPECT_TRUE(load("abc"));
  EXPECT_TRUE(load("abc")) << "the load before marked it as used, and knows it";
  std::fstream(file, std::ios::in | std::ios::out | std::ios::binary).seekp(5000) << "again";
  EXPECT_FALSE(load("abc"));
}

// The kernel's clock ticks every few milliseconds; a write that follows at once must not look like none.
TEST_F(PanelsTest, AStampChangesWithAWriteInTheSameTick) {
  const auto file = temporary_.path / "file";
  const platform::FileDescriptor fd(::open(file.c_str(), O_RDWR | O_CREAT, 0600));
  CheckedFiles files;
  for (int i = 0; i < 20; ++i) {
    const auto stamp = CheckedFiles::mark_used(fd.get());
    files.add(stamp);
    EXPECT_TRUE(files.contains(stamp));
    ASSERT_EQ(::pwrite(fd.get(), "x", 1, 0), 1);
    EXPECT_FALSE(files.contains(platform::FileStamp::of(file).value()));
  }
}

// The largest file that this process may write, for the time of a test: how a disk that is full behaves, without one.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(PanelsTest, WhereThereIsNoRoomTheyAreInMemory) {
  const FileSizeLimit limit(6000);
  const auto panels = open("abc");
  EXPECT_THAT(panels->problem(), HasSubstr("cannot be kept"));
  EXPECT_EQ(fill(*panels).size(), 2);
  panels->keep();
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(PanelsTest, AWriteThatFailsIsSaidAndLeavesNothing) {
  {
    const auto panels = open("abc");
    const FileSizeLimit limit(6000);
    const auto weight = ops_->prepare(file_.tensors[0], {}, *panels);
    ASSERT_FALSE(weight);
    EXPECT_THAT(weight.error().message, HasSubstr("Cannot write"));
    EXPECT_TRUE(panels->write_failed());
    panels->keep();
  }
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(PanelsTest, AFullDiskAtTheEndLeavesNothing) {
  {
    const auto panels = open("abc");
    fill(*panels);
    const FileSizeLimit limit(6000);
    panels->keep();
    EXPECT_THAT(panels->problem(), HasSubstr("cannot be kept"));
  }
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(PanelsTest, PagedPanelsAreThoseOfAModelInMemory) {
  load("abc");
  std::ifstream in_memory(folder_ / name_of("abc"), std::ios::binary);
  for (const bool cached : {false, true}) {
    const auto panels = open_paged({.folder = folder_, .digest = "def"}).value();
    EXPECT_EQ(panels->cached(), cached);
    EXPECT_FALSE(panels->is_paged(file_.tensors[0]));
    EXPECT_TRUE(panels->is_paged(file_.tensors[2]));
    fill(*panels);
    panels->keep();
  }
  std::ifstream paged(folder_ / name_of("def"), std::ios::binary);
  using Bytes = std::istreambuf_iterator<char>;
  EXPECT_TRUE(std::equal(Bytes(in_memory), Bytes(), Bytes(paged), Bytes()));
}

TEST_F(PanelsTest, PagedPanelsAreNeverInMemoryThatIsNotAFile) {
  const auto refused = open_paged({});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kNoSpace);
  EXPECT_THAT(refused.error().message, HasSubstr("`cache` in server.yaml"));
  {
    const FileSizeLimit limit(6000);
    const auto full = open_paged({.folder = folder_, .digest = "abc"});
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().code, ErrorCode::kNoSpace);
    EXPECT_THAT(full.error().message, HasSubstr("cannot be kept in " + folder_.string()));
  }
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(PanelsTest, WhyTheyCannotBeKeptIsKnownBefore) {
  const auto why = [&](const Ops& ops, const PanelOptions& options) {
    const auto can = Panels::can_keep(file_.tensors, ops, options);
    return can ? "" : can.error().message;
  };
  EXPECT_EQ(why(*ops_, {.folder = folder_, .digest = "abc", .limit = 100 << 10}), "");
  EXPECT_THAT(why(*ops_, {.digest = "abc"}), HasSubstr("no folder"));
  EXPECT_THAT(why(*ops_, {.folder = folder_, .digest = "abc", .limit = 5000}), HasSubstr("Raise `cache` in server.yaml"));
  EXPECT_THAT(why(*make_mlx_ops(), {.folder = folder_, .digest = "abc"}), HasSubstr("kernel pack is not in use"));
  EXPECT_FALSE(fs::exists(folder_)) << "a question makes nothing";
}

TEST_F(PanelsTest, OverTheLimitTheLeastRecentlyUsedGo) {
  load("one");
  load("two");
  const auto each = fs::file_size(folder_ / name_of("one"));
  const auto now = fs::file_time_type::clock::now();
  fs::last_write_time(folder_ / name_of("one"), now - std::chrono::hours(1));
  fs::last_write_time(folder_ / name_of("two"), now - std::chrono::hours(2));
  load("three", 2 * each);
  EXPECT_THAT(files(), ElementsAre(name_of("one"), name_of("three")));
  load("four", 1);  // the limit is smaller than this one, which stays all the same
  EXPECT_THAT(files(), ElementsAre(name_of("four")));
}

TEST_F(PanelsTest, WithoutAPlaceToKeepThemTheyAreInMemory) {
  const auto panels = Panels::open(file_.tensors, *ops_, {}).value();
  EXPECT_EQ(panels->problem(), "");
  EXPECT_EQ(fill(*panels).size(), 2);
  panels->keep();

  std::ofstream(folder_) << "a file where the folder should be";
  const auto blocked = open("abc");
  EXPECT_THAT(blocked->problem(), HasSubstr("cannot be kept"));
  EXPECT_EQ(fill(*blocked).size(), 2);
}

TEST_F(PanelsTest, ExpressionsNeedNone) {
  const auto mlx = make_mlx_ops();
  Panels::open(file_.tensors, *mlx, {.folder = folder_, .digest = "abc"}).value()->keep();
  EXPECT_FALSE(fs::exists(folder_));
}

}  // namespace
}  // namespace mlxr::ops
