#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cli/doctor/checks.h"
#include "cli/doctor/tool.h"
#include "daemon/config.h"
#include "kernels/abi.h"
#include "kernels/metal/abi.h"
#include "platform/files.h"
#include "platform/sha256.h"
#include "platform/version.h"

namespace mlxr::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class Parts {
 public:
  explicit Parts(const Installation& one) : one_(one) {}

  Findings examine() {
    program("daemon", one_.daemon());
    file("MLX", one_.layout.mlx);  // not checked in a build tree, which loads it from .deps
    file("MLX's GPU kernels", one_.layout.metallib);
    kernels("kernel pack", one_.layout.kernels, MLXR_KERNEL_ABI);
    kernels("Metal kernel pack", one_.layout.metal, MLXR_METAL_ABI);
    file("core library", one_.layout.core);
    if (!one_.layout.is_mac) core_for_developers();
    settings();
    licenses();
    return std::move(found_);
  }

 private:
  fs::path at(std::string_view part) const { return one_.root / part; }
  std::string again() const { return std::string(one_.layout.again); }
  void add_broken(const std::string& subject, std::string text) { found_.push_back(bad(subject, std::move(text), again())); }

  // True when the file exists, this user can read it, and only root and this user can change it; else adds a finding.
  bool is_sound(const std::string& subject, const fs::path& file, int needed = R_OK) {
    struct stat status{};
    const bool is_missing = stat(file.c_str(), &status) != 0;
    if (is_missing || access(file.c_str(), needed) != 0) {
      add_broken(subject, file.string() + (is_missing             ? " is missing"
                                           : (needed & X_OK) != 0 ? " cannot be run by you"
                                                                  : " cannot be read by you"));
      return false;
    }
    for (const fs::path& one : {file, file.parent_path()}) {
      if (stat(one.c_str(), &status) != 0) continue;
      if (status.st_uid != 0 && status.st_uid != getuid() && getuid() != 0) {
        found_.push_back(warning(
            subject, one.string() + " belongs to user " + std::to_string(status.st_uid) + ", who could replace the programs that you run",
            "If you do not trust that user, install MLXR for yourself"));
        return false;
      }
      if ((status.st_mode & S_IWOTH) != 0 && (status.st_mode & S_ISVTX) == 0) {
        found_.push_back(bad(subject, one.string() + " is writable by everyone", "Fix it: chmod o-w '" + one.string() + "'"));
        return false;
      }
    }
    return true;
  }

  void program(const std::string& subject, const fs::path& file) {
    if (!is_sound(subject, file, R_OK | X_OK)) return;
    const auto answer = ask_tool({file.string(), "--version"});
    if (!answer || answer->status != 0) {
      add_broken(subject, file.string() + " does not start" + (answer && !answer->output.empty() ? ": " + answer->output : ""));
    } else if (answer->output != std::string("mlxrunnerd ") + kVersion) {
      add_broken(subject, file.string() + " says '" + answer->output + "'; mlx is " + kVersion);
    } else {
      found_.push_back(good(subject, file.string() + ", version " + kVersion));
    }
  }

  // A file that has no version to check.
  void file(const std::string& subject, std::string_view part) {
    if (!part.empty() && is_sound(subject, at(part))) found_.push_back(good(subject, at(part).string()));
  }

  // A kernel pack: its manifest has the SHA-256 of each file; the CPU pack's has them in "library" and "sha256".
  void kernels(const std::string& subject, std::string_view part, int abi) {
    if (part.empty()) return;
    const fs::path file = at(part) / "manifest.json";
    if (!is_sound(subject, file)) return;
    constexpr std::uint64_t kLongest = 1 << 16;
    const auto text = platform::read_file(file, kLongest);
    const json manifest = text ? json::parse(*text, nullptr, false) : json();
    json files = manifest.is_object() ? manifest.value("files", json::object()) : json();
    if (manifest.is_object() && manifest.contains("library") && manifest["library"].is_string())
      files = {{manifest["library"].get<std::string>(), manifest.value("sha256", json())}};
    if (!files.is_object() || files.empty()) return add_broken(subject, file.string() + " is damaged");
    for (const auto& [name, sha256] : files.items()) {
      const fs::path one = file.parent_path() / fs::path(name).filename();
      if (!is_sound(subject, one)) return;
      const auto sum = platform::hash_file(one);
      if (!sum || json(*sum) != sha256)
        return add_broken(subject, one.string() + (sum ? " does not match its manifest" : " cannot be read"));
    }
    if (manifest.value("abi", json()) != json(abi) || manifest.value("version", json()) != json(kVersion))
      return add_broken(subject, file.string() + " is of version " + manifest.value("version", json()).dump() + ", kernel ABI " +
                                     manifest.value("abi", json()).dump() + "; mlx is " + kVersion + ", with kernel ABI " +
                                     std::to_string(abi));
    found_.push_back(good(subject, at(part).string() + ", version " + kVersion));
  }

  // The library of the package for developers. Its file name ends in its version.
  void core_for_developers() {
    const fs::path library = at("lib/libmlxrunner_core.so");
    std::error_code failed;
    if (!platform::is_there(library) || !is_sound("core library", library)) return;
    const std::string name = fs::canonical(library, failed).filename().string();
    const std::string number = std::string(kVersion).substr(0, std::string_view(kVersion).find('-'));  // without a channel's suffix
    if (name != "libmlxrunner_core.so." + number)
      return add_broken("core library", library.string() + " is " + name + "; mlx is " + kVersion);
    found_.push_back(good("core library", library.string() + ", version " + kVersion));
  }

  void settings() {
    if (one_.layout.settings.empty() || !is_sound("default settings", at(one_.layout.settings))) return;
    if (const auto read = daemon::read_config(at(one_.layout.settings)); !read) return add_broken("default settings", read.error().message);
    found_.push_back(good("default settings", at(one_.layout.settings).string()));
  }

  void licenses() {
    if (one_.layout.licenses.empty()) return;
    const fs::path folder = at(one_.layout.licenses);
    std::error_code failed;
    int texts = 0;
    for (auto entry = fs::recursive_directory_iterator(folder, failed); !failed && entry != fs::recursive_directory_iterator();
         entry.increment(failed)) {
      if (!entry->is_regular_file(failed)) continue;
      if (!is_sound("licenses", entry->path())) return;
      ++texts;
    }
    if (failed || texts == 0) return add_broken("licenses", "the license texts are missing from " + folder.string());
    found_.push_back(good("licenses", std::to_string(texts) + " texts in " + folder.string()));
  }

  const Installation& one_;
  Findings found_;
};

}  // namespace

Findings check_parts(const Installation& one) { return Parts(one).examine(); }

}  // namespace mlxr::cli
