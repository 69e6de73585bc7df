#include <algorithm>
#include <cstdlib>

#include "cli/doctor/checks.h"
#include "cli/doctor/tool.h"
#include "platform/process.h"
#include "platform/version.h"

namespace mlxr::cli {
namespace {

namespace fs = std::filesystem;

// Places where installations put mlx, on PATH or not.
constexpr std::string_view kUsual[] = {"/usr/local/bin/mlx", "/usr/bin/mlx", "/opt/homebrew/bin/mlx", "/Library/MLXRunner/bin/mlx",
                                       "/Applications/MLXR.app/Contents/Helpers/mlx"};
constexpr std::string_view kUsualAtHome[] = {".local/bin/mlx", "bin/mlx", "Applications/MLXR.app/Contents/Helpers/mlx"};

std::vector<fs::path> in_usual_places() {
  std::vector<fs::path> found;
  for (const auto place : kUsual) found.emplace_back(place);
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/')
    for (const auto place : kUsualAtHome) found.push_back(fs::path(home) / place);
  std::erase_if(found, [](const fs::path& file) { return !platform::is_program(file); });
  return found;
}

bool is_same(const fs::path& a, const fs::path& b) {
  std::error_code failed;
  return fs::equivalent(a, b, failed);
}

std::string described(const fs::path& copy, const std::string& version) {
  std::error_code failed;
  const fs::path real = fs::canonical(copy, failed);
  return copy.string() + (failed || real == copy ? "" : " (" + real.string() + ")") +
         (version.empty() ? " is another program or does not start" : ", version " + version);
}

Finding check_first(const Installation& one, const std::vector<fs::path>& found) {
  const std::string folder = one.program.parent_path().string();
  if (found.empty())
    return warning("PATH", "finds no mlx",
                   "Type " + one.program.string() + ", or put its folder on it: export PATH=\"" + folder + ":$PATH\"");
  if (is_same(found[0], one.program)) return good("PATH", "finds " + found[0].string() + ", which is this one");
  const std::string version = version_of(found[0], "mlx");
  const std::string text = "finds " + described(found[0], version) + ", before " + one.program.string();
  const std::string todo = "Remove that one, or put the folder of this one first: export PATH=\"" + folder + ":$PATH\"";
  return version == kVersion ? warning("PATH", text, todo) : bad("PATH", text + ", version " + kVersion, todo);
}

}  // namespace

Findings check_copies(const Installation& one) {
  auto all = platform::programs_on_path("mlx");
  Findings findings{check_first(one, all)};
  std::vector<fs::path> known{one.program};
  if (!all.empty()) known.push_back(all[0]);  // already reported
  const auto usual = in_usual_places();
  all.insert(all.end(), usual.begin(), usual.end());
  for (const fs::path& copy : all) {
    if (std::ranges::any_of(known, [&](const fs::path& other) { return is_same(copy, other); })) continue;
    known.push_back(copy);
    const std::string version = version_of(copy, "mlx");
    if (version.empty()) continue;  // not ours
    findings.push_back(warning("another copy",
                               described(copy, version) + (version == kVersion ? "" : "; this one is " + std::string(kVersion)),
                               "Remove the one that you do not use"));
  }
  return findings;
}

}  // namespace mlxr::cli
