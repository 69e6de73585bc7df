// Where MLXR keeps things on a Mac, for a build without a team, and for a signed one in its app group.
#include "platform/mac_paths.h"

#include <gtest/gtest.h>

#include "platform/identity.h"

namespace mlxr::platform {
namespace {

const std::filesystem::path kHome = "/Users/ada";
const std::string kGroup = std::string("TEAMID1234.") + kAppId;
constexpr std::size_t kLongestSocket = 103;  // sizeof(sockaddr_un::sun_path) on macOS, without the 0 at its end

// Where a path leads, over the links that MLXR makes.
std::filesystem::path follow(const Paths& paths, std::filesystem::path path) {
  for (const auto& link : paths.links)
    if (const auto rest = path.lexically_relative(link.at); rest == ".") {
      path = link.target;
    } else if (!rest.empty() && *rest.begin() != "..") {
      path = link.target / rest;
    }
  return path;
}

TEST(MacPaths, WithoutATeamAllIsAtTheUsualPlaces) {
  const auto p = mac_paths(kHome, {}, "").value();
  EXPECT_EQ(p.support, "/Users/ada/Library/Application Support/MLXRunner");
  EXPECT_EQ(p.models, p.support / "models");
  EXPECT_EQ(p.cache, p.support / "cache");
  EXPECT_EQ(p.config, p.support / "server.yaml");
  EXPECT_EQ(p.registry, p.support / "registry.sqlite");
  EXPECT_EQ(p.socket, p.support / "run/mlxrunner.sock");
  EXPECT_EQ(p.logs, "/Users/ada/Library/Logs/MLXRunner");
  EXPECT_EQ(p.login_item, std::string("/Users/ada/Library/LaunchAgents/") + kPackageJob + ".plist");
  EXPECT_FALSE(has_sandboxed_daemon(p));
}

TEST(MacPaths, ASignedProgramUsesItsAppGroup) {
  for (const bool sandboxed : {true, false}) {  // the daemon and the app; mlx
    const auto p = mac_paths(kHome, {kGroup, sandboxed}, "").value();
    const auto container = group_container(kHome, kGroup);
    EXPECT_EQ(container, "/Users/ada/Library/Group Containers/TEAMID1234." + std::string(kAppId));
    EXPECT_EQ(p.socket, container / "mlxr.sock");
    EXPECT_EQ(p.support, container / "Library/Application Support/MLXRunner");
    EXPECT_EQ(p.models, p.support / "models");
    EXPECT_EQ(p.logs, "/Users/ada/Library/Logs/MLXRunner");
    EXPECT_TRUE(has_sandboxed_daemon(p));
  }
}

TEST(MacPaths, TheUsualPlacesLeadToTheAppGroup) {
  const auto usual = mac_paths(kHome, {}, "").value();
  const auto group = mac_paths(kHome, {kGroup, true}, "").value();
  EXPECT_EQ(follow(group, usual.socket), group.socket);
  EXPECT_EQ(follow(group, usual.models), group.models);
  EXPECT_EQ(follow(group, usual.cache), group.cache);
  EXPECT_EQ(follow(group, usual.config), group.config);
  for (const auto* name : {"mlxrunnerd.out.log", "mlxrunnerd.err.log"})
    for (const auto& paths : {usual, group}) EXPECT_EQ(follow(paths, kHome / "Library/Logs" / name), paths.logs / "mlxrunnerd.log");
}

TEST(MacPaths, TheSocketsPathIsShortEnoughForAUserNameOf32Characters) {
  const std::filesystem::path home = "/Users/" + std::string(32, 'u');
  const auto group = mac_paths(home, {kGroup, true}, "").value();
  EXPECT_LE(group.socket.native().size(), kLongestSocket);
  EXPECT_LE(mac_paths(home, {}, "").value().socket.native().size(), kLongestSocket);
}

TEST(MacPaths, MlxrHomeHoldsEverythingAndIsLinkedNowhere) {
  for (const Signature& signature : {Signature{}, Signature{kGroup, false}}) {
    const auto p = mac_paths(kHome, signature, "/tmp/m").value();
    EXPECT_EQ(p.socket, "/tmp/m/run/mlxrunner.sock");
    EXPECT_EQ(p.logs, "/tmp/m/logs");
    EXPECT_TRUE(p.login_item.empty());
    EXPECT_TRUE(p.links.empty());
    EXPECT_FALSE(has_sandboxed_daemon(p));
  }
}

TEST(MacPaths, ASandboxedProgramRefusesAHomeWhereItCannotWrite) {
  const Signature sandboxed{kGroup, true};
  const auto refused = mac_paths(kHome, sandboxed, "/tmp/m");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(refused.error().message.find(group_container(kHome, kGroup).string()), std::string::npos);
  EXPECT_FALSE(mac_paths(kHome, sandboxed, group_container(kHome, kGroup).string() + "2"));
  EXPECT_EQ(mac_paths(kHome, sandboxed, group_container(kHome, kGroup) / "other").value().socket.filename(), "mlxrunner.sock");
}

}  // namespace
}  // namespace mlxr::platform
