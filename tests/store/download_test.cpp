// The behaviors of HTTP servers, each under its own path in fixtures.py.
#include "store/download.h"

#include "tests/store/pull_fixture.h"

namespace mlxr::store {
namespace {

using namespace std::chrono_literals;
using DownloadTest = PullTest;

TEST_F(DownloadTest, GoesOnAfterABrokenConnection) {
  expect_whole(store_->pull("test:drops"));
  EXPECT_THAT(ranges_of("drops"), HasSubstr("bytes="));
}

TEST_F(DownloadTest, StartsAgainWhenTheServerIgnoresRanges) { expect_whole(store_->pull("test:ignores")); }
TEST_F(DownloadTest, StartsAgainWhenTheFileChanged) { expect_whole(store_->pull("test:changes")); }

TEST_F(DownloadTest, AMissingFileIsNotTriedAgain) { expect_error(store_->pull("test:missing"), ErrorCode::kNotFound, "HTTP 404"); }

TEST_F(DownloadTest, StartsAgainWhenTheServerCannotContinue) {
  expect_whole(store_->pull("test:unsatisfied"));
  EXPECT_THAT(ranges_of("unsatisfied"), testing::MatchesRegex(R"(\[null, "bytes=[0-9]+-", null\]\s*)"));
}

TEST_F(DownloadTest, AStalledConnectionIsTriedAgain) {
  auto file = PartialFile::open(home_, "model.gguf", "a model", 0).value();
  const auto done = download(Address::parse(address("/hangs/model.gguf")).value(), file, {.stall_time = 1s});
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(file.sha256(), platform::hash_file(fixtures / "model.gguf").value());
  EXPECT_THAT(ranges_of("hangs"), HasSubstr("bytes="));
}

TEST_F(DownloadTest, HttpsWorksAndIsNeverRedirectedToHttp) {
  expect_whole(store_->pull("test:secure"));
  expect_error(store_->pull("test:downgrade"), ErrorCode::kNetwork, "downgrade/model.gguf");
  EXPECT_FALSE(fs::exists(partial("downgrade").parent_path()));
}

TEST_F(DownloadTest, ACertificateThatNobodyTrustsIsRefused) {
  ::unsetenv("SSL_CERT_FILE");
  expect_error(store_->pull("test:secure"), ErrorCode::kNetwork, "certificate");
  ::setenv("SSL_CERT_FILE", (fixtures / "certificate.pem").c_str(), 1);
}

TEST_F(DownloadTest, MoreThanTheCatalogueSaysIsRefused) {
  expect_error(store_->pull("test:longer"), ErrorCode::kCorrupt, "longer.gguf should have");
  expect_error(store_->pull("test:creeps"), ErrorCode::kCorrupt, "creeps.gguf should have");
  for (const char* way : {"longer", "creeps"}) EXPECT_FALSE(fs::exists(partial(way).parent_path())) << way;
}

TEST_F(DownloadTest, AServerThatForgetsDoesNotKeepUsForEver) {
  // No ETag and no Last-Modified, and each connection breaks at the same byte: no attempt gets further than the first.
  expect_error(store_->pull("test:forgets"), ErrorCode::kNetwork, "5 attempts");
  EXPECT_EQ(ranges_of("forgets"), "[null, null, null, null, null]\n");
}

TEST_F(DownloadTest, LastModifiedServesWhereThereIsNoETag) {
  expect_whole(store_->pull("test:dated"));
  EXPECT_THAT(ranges_of("dated"), HasSubstr("bytes="));
}

TEST_F(DownloadTest, ACircleOfRedirectsEnds) { expect_error(store_->pull("test:circle"), ErrorCode::kNetwork, "redirects without end"); }

TEST_F(DownloadTest, AFileWithoutASizeIsRefused) {
  expect_error(store_->pull(address("/endless/model.gguf")), ErrorCode::kNetwork, "does not say how many bytes");
}

TEST_F(DownloadTest, PlainHttpFromElsewhereIsRefusedUnlessAllowed) {
  // 127.0.0.1 under a name that is not known to be this machine is never asked.
  expect_error(store_->pull("http://models.invalid/model.gguf"), ErrorCode::kInvalidArgument, "is not encrypted");
  expect_error(store_->pull("http://models.invalid/model.gguf", {.allow_plain_http = true}), ErrorCode::kNetwork, "models.invalid");
}

TEST_F(DownloadTest, TheProxyIsNamedWithoutItsPassword) {
  ::setenv("https_proxy", "http://ada:lovelace@127.0.0.1:1", 1);
  const auto record = store_->pull("https://models.invalid/model.gguf");
  ::unsetenv("https_proxy");
  expect_error(record, ErrorCode::kNetwork, "https_proxy=127.0.0.1:1");
  EXPECT_EQ(record.error().message.find("lovelace"), std::string::npos);
}

TEST_F(DownloadTest, SecretsOfAnAddressAreUsedAndNeverShown) {
  auto secret = address("/good/model.gguf?token=hf_secret");
  secret.replace(0, 7, "http://ada:lovelace@");
  const auto record = store_->pull(secret);
  expect_whole(record);
  EXPECT_EQ(record->source, address("/good/model.gguf"));
  EXPECT_THAT(fetch("/authorizations/good"), HasSubstr("Basic YWRhOmxvdmVsYWNl"));
  for (const auto& entry : fs::recursive_directory_iterator(home_)) {
    if (!entry.is_regular_file() || entry.path().extension() == ".gguf") continue;
    const auto text = platform::read_file(entry.path(), 1 << 24).value();
    EXPECT_EQ(text.find("lovelace"), std::string::npos) << entry.path();
    EXPECT_EQ(text.find("hf_secret"), std::string::npos) << entry.path();
  }
}

TEST_F(DownloadTest, StateOfAnUnfinishedDownloadHoldsNoSecret) {
  auto secret = address("/stalls/model.gguf?token=hf_secret");
  secret.replace(0, 7, "http://ada:lovelace@");
  std::atomic<bool> cancelled = false;
  expect_error(store_->pull(secret, {.progress = [&](const Progress& p) { cancelled = p.done > 0; }, .cancelled = &cancelled}),
               ErrorCode::kCancelled, "kept");
  for (const auto& entry : fs::recursive_directory_iterator(paths_.models)) {
    if (entry.path().filename() != "state.json") continue;
    EXPECT_EQ(platform::read_file(entry.path(), 1 << 20)->find("secret"), std::string::npos);
  }
}

}  // namespace
}  // namespace mlxr::store
