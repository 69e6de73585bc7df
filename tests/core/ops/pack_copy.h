// A copy of a built kernel pack that a test can damage.
#pragma once

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace mlxr::ops {

// `variable` names the folder of the pack.
class PackCopy : public ::testing::Test {
 protected:
  explicit PackCopy(const char* variable) : variable_(variable) {}

  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("mlxr-pack-" + std::to_string(getpid()));
    std::filesystem::remove_all(folder_);
    std::filesystem::copy(std::getenv(variable_), folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void replace_in_manifest(const std::string& from, const std::string& to) {
    std::ifstream in(folder_ / "manifest.json");
    std::string text((std::istreambuf_iterator<char>(in)), {});
    const auto at = text.find(from);
    ASSERT_NE(at, std::string::npos) << text;
    std::ofstream(folder_ / "manifest.json") << text.replace(at, from.size(), to);
  }

  std::filesystem::path folder_;

 private:
  const char* variable_;
};

}  // namespace mlxr::ops
