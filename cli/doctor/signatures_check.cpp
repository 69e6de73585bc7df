#include "cli/doctor/checks.h"
#include "cli/doctor/tool.h"

namespace mlxr::cli {
namespace {

namespace fs = std::filesystem;

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

Finding check_code(const fs::path& code, const std::string& again) {
  const auto answer = ask_tool({"codesign", "--verify", "--deep", "--strict", code.string()}, 60);
  if (!answer) return warning("code signature", "could not be checked: codesign not found", "Check it yourself: codesign --verify");
  if (answer->status != 0) return bad("code signature", first_line(answer->output), again);
  return good("code signature", code.string() + " is unchanged since it was signed");
}

// An app: whether Gatekeeper accepts it, and whether macOS still asks before its first start.
Findings check_gatekeeper(const fs::path& app) {
  Findings found;
  const auto assessed = ask_tool({"spctl", "--assess", "--type", "execute", app.string()}, 60);
  if (assessed && assessed->status == 0) {
    found.push_back(good("Gatekeeper", "accepts " + app.string()));
  } else if (assessed) {
    found.push_back(warning("Gatekeeper", first_line(assessed->output),
                            "Take a release that is notarized, or allow it in System Settings, Privacy & Security"));
  }
  const auto mark = ask_tool({"xattr", "-p", "com.apple.quarantine", app.string()});
  if (mark && mark->status == 0)
    found.push_back(warning("quarantine", "macOS asks before " + app.filename().string() + " starts: it was downloaded, and not opened yet",
                            "Open it once in the Finder"));
  return found;
}

Findings check_mac(const Installation& one) {
  const std::string again(one.layout.again);
  if (const fs::path app = one.root.parent_path(); app.extension() == ".app") {
    Findings found{check_code(app, again)};
    for (auto& finding : check_gatekeeper(app)) found.push_back(std::move(finding));
    return found;
  }
  Findings found;
  for (const fs::path& code : {one.program, one.daemon(), one.root / one.layout.mlx}) found.push_back(check_code(code, again));
  return found;
}

// Debian: the checksums in the package.
Findings check_dpkg(const Installation& one) {
  const auto answer = ask_tool({"dpkg", "--verify", "mlxrunner"}, 60);
  if (!answer) return {};
  // "??5??????   /usr/bin/mlx", "missing     /usr/…"
  if (answer->status == 0 && answer->output.empty()) return {good("package", "every file is unchanged since dpkg installed it")};
  const std::string line = first_line(answer->output);
  const std::size_t at = line.find('/');
  return {bad("package",
              (at == std::string::npos ? line : line.substr(at)) +
                  (line.starts_with("missing") ? " is missing" : " has changed since dpkg installed it"),
              std::string(one.layout.again))};
}

}  // namespace

Findings check_signatures(const Installation& one) {
  if (one.layout.is_mac) return check_mac(one);
  return one.layout.kind == "a Debian package" ? check_dpkg(one) : Findings{};
}

}  // namespace mlxr::cli
