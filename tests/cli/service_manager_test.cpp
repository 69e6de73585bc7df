// launchctl and systemctl are fake scripts on PATH, which record their arguments.
#include "cli/service_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string_view>
#include <vector>

#include "platform/files.h"
#include "platform/identity.h"
#include "tests/platform/temporary_folder.h"

namespace mlxr::cli {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class ServiceManager : public testing::Test {
 protected:
  ServiceManager() {
    fs::create_directories(program_.parent_path());
    std::ofstream(program_) << "the daemon";
    ::setenv("PATH", (folder_.path.string() + ":" + std::getenv("PATH")).c_str(), 1);
    ::setenv("HOME", "/home/ada", 1);
    std::vector<std::string> names;
    for (char** one = environ; *one != nullptr; ++one)
      if (const std::string_view text = *one; text.starts_with("MLXR_") || text.starts_with("XDG_"))
        names.emplace_back(text.substr(0, text.find('=')));
    for (const auto& name : names) ::unsetenv(name.c_str());
  }

  // A program of that name that runs these lines of a shell after it has noted its arguments.
  void play(const std::string& name, const std::string& script) {
    const auto file = folder_.path / name;
    std::ofstream(file) << "#!/bin/sh\necho \"$*\" >>" << calls_.string() << "\n" << script;
    ::chmod(file.c_str(), 0700);
  }
  void play_systemd(const std::string& environment, int status_of_start = 0) {
    play("systemctl", "case \"$2\" in\nshow) echo LoadState=loaded; echo 'ExecStart={ path=" + program_.string() +
                          " ; argv[]=mlxrunnerd ; ignore_errors=no }';;\nshow-environment) printf '" + environment +
                          "';;\nstart) echo 'Job failed.'; exit " + std::to_string(status_of_start) + ";;\nesac\n");
  }
  Result<Started> by_systemd() { return start_by_systemd(program_, std::chrono::seconds(30), never_); }
  Result<Started> by_launchd() { return start_by_launchd(paths_, program_, std::chrono::seconds(30), never_); }
  std::string calls() { return platform::read_file(calls_, 10000).value_or(""); }

  platform::TemporaryFolder folder_;
  const fs::path program_ = folder_.path / "MLXR.app/Contents/Helpers/mlxrunnerd", calls_ = folder_.path / "calls";
  platform::Paths paths_{.login_item = folder_.path / "agent.plist"};
  const std::atomic<bool> never_ = false;
};

TEST_F(ServiceManager, SystemdStartsTheUnit) {
  play_systemd("HOME=/home/ada\\nLANG=C\\n");
  EXPECT_EQ(by_systemd().value(), Started::kByService);
  EXPECT_THAT(calls(), HasSubstr("--user start mlxrunnerd.service\n"));
}

TEST_F(ServiceManager, AUnitThatFailsIsSaid) {
  play_systemd("HOME=/home/ada\\n", 1);
  const auto started = by_systemd();
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().message, HasSubstr("Job failed.\nSee why: journalctl --user -u mlxrunnerd"));
}

// Its daemon would have other data, or other kernels, than this command means.
TEST_F(ServiceManager, AUnitInAnotherEnvironmentIsNotUsed) {
  play_systemd("HOME=/home/ada\\nXDG_DATA_HOME=/disk2\\n");
  EXPECT_EQ(by_systemd().value(), Started::kNotAService);
  play_systemd("HOME=/home/ada\\n");
  ::setenv("MLXR_KERNELS", "scalar", 1);
  EXPECT_EQ(by_systemd().value(), Started::kNotAService);
  ::unsetenv("MLXR_KERNELS");
  EXPECT_THAT(calls(), testing::Not(HasSubstr("start mlx")));
}

TEST_F(ServiceManager, AUnitOfAnotherInstallationIsNotUsed) {
  play("systemctl", "echo LoadState=loaded; echo 'ExecStart={ path=/bin/sh ; argv[]=sh }'\n");
  EXPECT_EQ(by_systemd().value(), Started::kNotAService);
  play("systemctl", "echo LoadState=not-found\n");
  EXPECT_EQ(by_systemd().value(), Started::kNotAService);
  play("systemctl", "echo 'Failed to connect to bus'; exit 1\n");
  EXPECT_EQ(by_systemd().value(), Started::kNotAService);
}

TEST_F(ServiceManager, LaunchdKicksItsAgent) {
  play("launchctl", "test $1 = print && printf '\\tprogram = " + program_.string() + "\\n\\tstate = waiting\\n'; exit 0\n");
  EXPECT_EQ(by_launchd().value(), Started::kByService);
  EXPECT_THAT(calls(), HasSubstr("kickstart gui/" + std::to_string(::getuid()) + "/" + kPackageJob + "\n"));
}

TEST_F(ServiceManager, LaunchdsAgentOfTheAppIsKnownByItsPlaceInTheBundle) {
  play("launchctl", "test $1 = print && printf '\\tprogram identifier = Contents/Helpers/mlxrunnerd (mode: 2)\\n'; exit 0\n");
  EXPECT_EQ(by_launchd().value(), Started::kByService);
}

TEST_F(ServiceManager, AnAgentThatIsInstalledAndNotLoadedIsLoaded) {
  std::ofstream(paths_.login_item) << "<plist/>";
  const auto loaded = folder_.path / "loaded";
  play("launchctl", "test $1 = bootstrap && touch " + loaded.string() + "\ntest $1 = print && { test -e " + loaded.string() +
                        " || exit 113; printf '\\tprogram = " + program_.string() + "\\n'; }\nexit 0\n");
  EXPECT_EQ(by_launchd().value(), Started::kByService);
  EXPECT_THAT(calls(), HasSubstr("bootstrap gui/" + std::to_string(::getuid()) + " " + paths_.login_item.string() + "\n"));
}

TEST_F(ServiceManager, WithoutAnAgentNoneIsUsed) {
  play("launchctl", "exit 113\n");
  EXPECT_EQ(by_launchd().value(), Started::kNotAService);
  ::setenv("MLXR_KERNELS", "mlx", 1);
  play("launchctl", "exit 0\n");
  EXPECT_EQ(by_launchd().value(), Started::kNotAService);
  ::unsetenv("MLXR_KERNELS");
}

TEST_F(ServiceManager, WithAFolderOfItsOwnNoServiceIsAsked) {
  paths_.login_item.clear();
  EXPECT_EQ(start_service(paths_, program_, std::chrono::seconds(30), never_).value(), Started::kNotAService);
  EXPECT_EQ(calls(), "");
}

}  // namespace
}  // namespace mlxr::cli
