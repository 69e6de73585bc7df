#include "daemon/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

namespace mlxr::daemon {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

std::string error_of(std::string_view text) {
  const auto config = parse_config(text, "server.yaml");
  return config ? "no error" : config.error().message;
}

TEST(Config, EmptyMeansTheDefaults) {
  const auto config = parse_config("", "server.yaml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->port, 0);
  EXPECT_EQ(config->keep_alive, "5m");
}

TEST(Config, ReadsEachSetting) {
  const auto config = parse_config(
      "port: 8080\nhost: '::1'\nuds: /tmp/x/mlxr.sock\nmax_batch_tokens: 256\ntarget_latency_ms: 50\nmax_queue: 8\nthreads: 2\n"
      "kernels: mlx\nkv: 1.5G\nkv_type: q8_0\nmemory: 3G\ncache: 10G\ncontext: 4096\nkeep_alive: 1h30m\n",
      "server.yaml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->port, 8080);
  EXPECT_EQ(config->host, "::1");
  EXPECT_EQ(config->uds, "/tmp/x/mlxr.sock");
  EXPECT_EQ(config->max_batch_tokens, 256);
  EXPECT_EQ(config->target_latency_ms, 50);
  EXPECT_EQ(config->max_queue, 8);
  EXPECT_EQ(config->threads, 2);
  EXPECT_EQ(config->kernels, "mlx");
  EXPECT_EQ(config->kv, 1610612736u);
  EXPECT_EQ(config->kv_type, "q8_0");
  EXPECT_EQ(config->memory, 3221225472u);
  EXPECT_EQ(config->cache, 10737418240u);
  EXPECT_EQ(config->context, 4096);
  EXPECT_EQ(config->keep_alive, "1h30m");
}

TEST(Config, ATypoIsAnErrorWithItsLine) {
  EXPECT_THAT(error_of("port: 0\n\nmax_que: 3\n"), AllOf(StartsWith("server.yaml:3: "), HasSubstr("`max_que`"), HasSubstr("max_queue")));
}

TEST(Config, AWrongTypeIsAnErrorWithItsLine) {
  EXPECT_THAT(error_of("threads: 1\nport: high\n"),
              AllOf(StartsWith("server.yaml:2: "), HasSubstr("`port`"), HasSubstr("65535"), HasSubstr("`high`")));
  EXPECT_THAT(error_of("max_queue: [1, 2]\n"), StartsWith("server.yaml:1: `max_queue` must be"));
  EXPECT_THAT(error_of("kv: 2 apples\n"), HasSubstr("`kv` must be a size"));
  EXPECT_THAT(error_of("kv: 2G apples\n"), HasSubstr("`kv` must be a size"));
  EXPECT_THAT(error_of("port: [1]\n"), StartsWith("server.yaml:1: `port` must be"));
  EXPECT_THAT(error_of("keep_alive: soon\n"), HasSubstr("`keep_alive` must be a duration"));
}

TEST(Config, OnlyLoopbackIsServed) {
  EXPECT_THAT(error_of("host: 0.0.0.0\n"), AllOf(StartsWith("server.yaml:1: "), HasSubstr("loopback")));
}

TEST(Config, OriginsAreAListOrText) {
  const std::vector<std::string> both = {"http://localhost:3000", "app://obsidian.md"};
  const auto list = parse_config("origins: [http://localhost:3000, app://obsidian.md]\n", "server.yaml");
  ASSERT_TRUE(list) << list.error().message;
  EXPECT_EQ(list->origins, both);
  EXPECT_EQ(list->given[0].value, "http://localhost:3000, app://obsidian.md");
  EXPECT_EQ(parse_config("origins: 'http://localhost:3000, app://obsidian.md'\n", "server.yaml")->origins, both);
  EXPECT_THAT(error_of("origins: ['*']\n"), AllOf(StartsWith("server.yaml:1: "), HasSubstr("web origins")));
  EXPECT_THAT(error_of("origins: https://example.org/page\n"), HasSubstr("`origins`"));
}

TEST(Config, AFileThatWouldNeverEndIsRefused) {
  char name[] = "/tmp/mlxr-config-XXXXXX";
  const std::filesystem::path folder = ::mkdtemp(name);
  ASSERT_EQ(::mkfifo((folder / "server.yaml").c_str(), 0600), 0);
  EXPECT_THAT(read_config(folder / "server.yaml").error().message, HasSubstr("is not a regular file"));
  EXPECT_THAT(read_config(folder).error().message, HasSubstr("is a folder"));
  std::filesystem::remove_all(folder);
}

TEST(Config, ASettingMayNotStandTwice) {
  EXPECT_THAT(error_of("port: 1\nport: 2\n"), AllOf(StartsWith("server.yaml:2: "), HasSubstr("twice")));
}

TEST(Config, BrokenYamlIsAnErrorWithItsLine) { EXPECT_THAT(error_of("port: 1\nthreads: [\n"), StartsWith("server.yaml:")); }

TEST(Config, TheDocumentedFileSaysTheDefaults) {
  const auto documented = read_config("daemon/server.yaml");
  ASSERT_TRUE(documented) << documented.error().message;
  const Config defaults;
  EXPECT_EQ(documented->port, defaults.port);
  EXPECT_EQ(documented->host, defaults.host);
  EXPECT_EQ(documented->max_batch_tokens, defaults.max_batch_tokens);
  EXPECT_EQ(documented->target_latency_ms, defaults.target_latency_ms);
  EXPECT_EQ(documented->max_queue, defaults.max_queue);
  EXPECT_EQ(documented->threads, defaults.threads);
  EXPECT_EQ(documented->kernels, defaults.kernels);
  EXPECT_EQ(documented->kv, defaults.kv);
  EXPECT_EQ(documented->kv_type, defaults.kv_type);
  EXPECT_EQ(documented->memory, defaults.memory);
  EXPECT_EQ(documented->cache, defaults.cache);
  EXPECT_EQ(documented->context, defaults.context);
  EXPECT_EQ(documented->keep_alive, defaults.keep_alive);
}

TEST(Config, ManagedSettingsComeFirst) {
  const auto own = parse_config("port: 8080\nthreads: 2\n", "server.yaml");
  ASSERT_TRUE(own);
  const auto config = managed_config(*own, {"managed.yaml", "port: 0\ncontext: 4096\n"});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->port, 0);
  EXPECT_EQ(config->threads, 2);
  EXPECT_EQ(config->context, 4096);
  EXPECT_TRUE(config->is_managed("port"));
  EXPECT_FALSE(config->is_managed("threads"));
  EXPECT_THAT(describe(*config), AllOf(HasSubstr("port: 0  # managed.yaml, managed\n"), HasSubstr("threads: 2  # server.yaml\n"),
                                       HasSubstr("# kv: the default\n")));
}

TEST(Config, AManagedSettingThatIsWrongNamesItsOrigin) {
  const auto config = managed_config({}, {"managed.yaml", "port: 0\nfoo: 1\n"});
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error().message, AllOf(StartsWith("managed.yaml:2: "), HasSubstr("`foo`")));
}

TEST(Config, AMissingFileMeansTheDefaults) { EXPECT_TRUE(read_config("no/such/server.yaml")); }

TEST(Config, AFileThatCannotBeReadIsAnError) {  // here a folder
  const auto config = read_config(testing::TempDir());
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error().message, HasSubstr(testing::TempDir()));
}

}  // namespace
}  // namespace mlxr::daemon
