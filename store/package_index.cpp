#include "store/package_index.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <vector>

#include <nlohmann/json.hpp>

#include "platform/files.h"
#include "platform/sha256.h"
#include "store/http.h"
#include "store/names.h"

namespace mlxr::store {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t kLongestIndexPage = 32 << 20;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r");
  return begin == std::string_view::npos ? "" : text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

// The configuration files of pip, by descending priority.
std::vector<fs::path> pip_configurations() {
  std::vector<fs::path> files;
  if (const auto chosen = environment("PIP_CONFIG_FILE"); !chosen.empty()) files.emplace_back(chosen);
  const fs::path home = environment("HOME");
  if (const auto config = environment("XDG_CONFIG_HOME"); !config.empty()) files.push_back(fs::path(config) / "pip" / "pip.conf");
  if (!home.empty()) {
    files.push_back(home / ".config" / "pip" / "pip.conf");
    files.push_back(home / "Library" / "Application Support" / "pip" / "pip.conf");
    files.push_back(home / ".pip" / "pip.conf");
  }
  files.emplace_back("/etc/xdg/pip/pip.conf");
  files.emplace_back("/Library/Application Support/pip/pip.conf");
  files.emplace_back("/etc/pip.conf");
  return files;
}

// The value of a key in the sections of an INI file that `pip download` uses.
std::optional<std::string> ini_value(std::string_view text, std::string_view key) {
  bool counts = false;
  std::optional<std::string> value;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.starts_with('[')) {
      counts = line == "[global]" || line == "[download]";
      continue;
    }
    const auto separator = line.find_first_of("=:");
    if (!counts || line.starts_with('#') || line.starts_with(';') || separator == std::string_view::npos) continue;
    std::string name(trimmed(line.substr(0, separator)));
    std::ranges::replace(name, '_', '-');
    if (name == key) value = trimmed(line.substr(separator + 1));
  }
  return value;
}

std::string pip_setting(const char* variable, std::string_view key) {
  if (auto value = environment(variable); !value.empty()) return value;
  for (const auto& file : pip_configurations()) {
    const auto text = platform::read_file(file, 1 << 20);
    if (!text) continue;
    if (auto value = ini_value(*text, key)) return *value;
  }
  return {};
}

// PEP 503: lower case, runs of "-_." are one "-".
std::string normalized(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool is_separator = c == '-' || c == '_' || c == '.';
    if (is_separator && out.ends_with('-')) continue;
    out += is_separator ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return out;
}

bool is_wheel_of(std::string_view file, const std::string& project, std::string_view version) {
  if (!file.ends_with(".whl") || !is_plain_name(file)) return false;
  const auto name_end = file.find('-');
  if (name_end == std::string_view::npos || normalized(file.substr(0, name_end)) != project) return false;
  const auto rest = file.substr(name_end + 1);
  return rest.starts_with(version) && rest.size() > version.size() && rest[version.size()] == '-';
}

// An entry of an index, from either format of its answer.
struct Listed {
  std::string file, reference, sha256;
  std::uint64_t size = 0;
};

std::vector<Listed> read_json_page(const json& page) {
  std::vector<Listed> all;
  for (const auto& file : page.at("files")) {
    const auto hashes = file.value("hashes", json::object());
    all.push_back({file.at("filename").get<std::string>(), file.at("url").get<std::string>(), hashes.value("sha256", ""),
                   file.value("size", std::uint64_t{0})});
  }
  return all;
}

// PEP 503: anchors whose href ends in #sha256=…
std::vector<Listed> read_html_page(std::string_view page) {
  static constexpr std::string_view kHref = "href=\"";
  std::vector<Listed> all;
  for (auto at = page.find(kHref); at != std::string_view::npos; at = page.find(kHref, at)) {
    at += kHref.size();
    const auto reference = page.substr(at, page.find('"', at) - at);
    const auto address = reference.substr(0, reference.find('#'));
    const auto hash = reference.find("#sha256=");
    Listed one{.reference = std::string(address)};
    one.file = address.substr(address.rfind('/') + 1);  // npos + 1 is 0
    if (hash != std::string_view::npos) one.sha256 = reference.substr(hash + 8, 64);
    all.push_back(std::move(one));
  }
  return all;
}

}  // namespace

Result<PackageIndex> PackageIndex::configured() {
  auto text = pip_setting("PIP_INDEX_URL", "index-url");
  if (text.empty()) text = "https://pypi.org/simple";
  while (text.ends_with('/')) text.pop_back();
  auto address = Address::parse(text);
  if (!address)
    return fail(ErrorCode::kInvalidArgument,
                "The package index that pip is configured to use (PIP_INDEX_URL, or index-url in pip.conf) is not a valid address.");
  return PackageIndex{.address = std::move(*address), .certificates = pip_setting("PIP_CERT", "cert")};
}

Result<Wheel> find_wheel(const PackageIndex& index, const std::string& project, const std::string& version, std::string_view sha256,
                         const std::atomic<bool>* cancelled) {
  const auto name = normalized(project);
  const auto page = Address::parse(index.address.whole() + "/" + name + "/");
  if (!page) return fail(page.error());
  const auto text = http_text({.address = *page,
                               .headers = {"Accept: application/vnd.pypi.simple.v1+json, text/html;q=0.1"},
                               .certificates = index.certificates,
                               .cancelled = cancelled},
                              kLongestIndexPage);
  if (!text && text.error().code == ErrorCode::kNotFound)
    return fail(ErrorCode::kNotFound, "The package index " + index.address.shown() + " has no project " + project + ".");
  if (!text) return fail(text.error());
  std::vector<Listed> files;
  try {
    const json parsed = json::parse(*text, nullptr, false);
    files = parsed.is_discarded() ? read_html_page(*text) : read_json_page(parsed);
  } catch (const json::exception&) {
    return fail(ErrorCode::kCorrupt, "The package index " + index.address.shown() + " sent a response that MLXR does not understand.");
  }
  const auto found = std::ranges::find_if(files, [&](const Listed& f) {
    return is_wheel_of(f.file, name, version) && (sha256.empty() || f.sha256.empty() || f.sha256 == sha256);
  });
  if (found == files.end())
    return fail(ErrorCode::kNotFound, "The package index " + index.address.shown() + " has no wheel of " + project + " " + version +
                                          (sha256.empty() ? "." : " with the expected SHA-256."));
  auto address = page->resolve(found->reference);
  if (!address) return fail(address.error());
  return Wheel{found->file, std::move(*address), platform::is_sha256(found->sha256) ? found->sha256 : "", found->size};
}

}  // namespace mlxr::store
