// The manners of HTTP servers, each under its own path of fixtures.py.
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
  const auto base = platform::read_file(fixtures / "base", 100).value();
  const auto done = download(base + "/hangs/model.gguf", file, {.stall_time = 1s});
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(file.sha256(), platform::hash_file(fixtures / "model.gguf").value());
  EXPECT_THAT(ranges_of("hangs"), HasSubstr("bytes="));
}

TEST_F(DownloadTest, HttpsWorksAndIsNeverRedirectedToHttp) {
  expect_whole(store_->pull("test:secure"));
  expect_error(store_->pull("test:downgrade"), ErrorCode::kNetwork, "downgrade/model.gguf");
  EXPECT_TRUE(fs::is_empty(partial("downgrade")));
}

TEST_F(DownloadTest, ACertificateThatNobodyTrustsIsRefused) {
  ::unsetenv("SSL_CERT_FILE");
  expect_error(store_->pull("test:secure"), ErrorCode::kNetwork, "certificate");
  ::setenv("SSL_CERT_FILE", (fixtures / "certificate.pem").c_str(), 1);
}

TEST_F(DownloadTest, MoreThanTheCatalogueSaysIsRefused) {
  expect_error(store_->pull("test:longer"), ErrorCode::kCorrupt, "longer.gguf should have");
  expect_error(store_->pull("test:creeps"), ErrorCode::kCorrupt, "creeps.gguf should have");
  for (const char* way : {"longer", "creeps"}) EXPECT_TRUE(fs::is_empty(partial(way))) << way;
}

}  // namespace
}  // namespace mlxr::store
