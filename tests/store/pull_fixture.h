// A store in a temporary folder, and a local server; nothing leaves the machine (fixtures.py says what each model's
// source does).
#pragma once

#include <cstdlib>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "platform/files.h"
#include "platform/process.h"
#include "platform/sha256.h"
#include "store/store.h"

namespace mlxr::store {

namespace fs = std::filesystem;
using testing::HasSubstr;

inline fs::path fixtures;  // where fixtures.py put its files

inline fs::path temporary_folder() {
  std::string name = testing::TempDir() + "store-XXXXXX";
  return ::mkdtemp(name.data());
}

class Fixtures : public testing::Environment {
 public:
  void SetUp() override {
    fixtures = temporary_folder();
    server_.emplace(
        platform::Child::spawn({.argv = {"python3", fs::absolute("tests/store/fixtures.py").string(), fixtures.string()}}).value());
    while (!fs::exists(fixtures / "catalogue.json")) {
      ASSERT_FALSE(server_->poll()) << server_->output();
      std::this_thread::yield();
    }
    ::setenv("MLXR_CATALOGUE", (fixtures / "catalogue.json").c_str(), 1);
    ::setenv("SSL_CERT_FILE", (fixtures / "certificate.pem").c_str(), 1);
    const auto base = platform::read_file(fixtures / "base", 100).value();
    ::setenv("PIP_INDEX_URL", (base + "/simple").c_str(), 1);
    ::setenv("HF_ENDPOINT", (base + "/hub").c_str(), 1);
    ::unsetenv("PIP_CERT");
    ::unsetenv("HF_TOKEN");
    for (const char* proxy : {"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}) ::unsetenv(proxy);
  }
  void TearDown() override {
    server_.reset();
    fs::remove_all(fixtures);
  }

 private:
  std::optional<platform::Child> server_;
};

inline const auto* const environment = testing::AddGlobalTestEnvironment(new Fixtures);

class PullTest : public testing::Test {
 protected:
  PullTest() : home_(temporary_folder()) { open(home_); }
  ~PullTest() override { fs::remove_all(home_); }

  void open(const fs::path& home) {
    ::setenv("MLXR_HOME", home.c_str(), 1);
    paths_ = platform::Paths::from_environment().value();
    store_ = Store::open(paths_).value();
  }
  fs::path partial(const std::string& way) { return paths_.models / "tests" / ("test@" + way) / ".partial" / (way + ".gguf"); }
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
  std::string address(const std::string& path) { return platform::read_file(fixtures / "base", 100).value() + path; }
  std::string ranges_of(const std::string& way) { return fetch("/ranges/" + way); }
  std::string fetch(const std::string& path) {
    const auto base = platform::read_file(fixtures / "base", 100).value();
    auto ask = platform::Child::spawn(
        {.argv = {"python3", "-c",
                  "import sys, urllib.request as u; print(u.build_opener(u.ProxyHandler({})).open(sys.argv[1]).read().decode())",
                  base + path}});
    ask->wait();
    return ask->output();
  }

  fs::path home_;
  platform::Paths paths_;
  std::unique_ptr<Store> store_;
};

}  // namespace mlxr::store
