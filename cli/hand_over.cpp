#include "cli/hand_over.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "platform/files.h"
#include "platform/sha256.h"
#include "store/model_file.h"

namespace mlxr::cli {
namespace {

using nlohmann::json;

constexpr char kRoute[] = "/mlxr/open";

// The daemon shows the name in its log, and refuses one that could command a terminal.
std::string label_of(const std::filesystem::path& path) {
  std::string label = path.string();
  std::ranges::replace_if(label, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  return label;
}

// The hash in the .sha256 beside the file, which the daemon may not be able to read; null when there is none.
Result<json> expected_hash(const std::filesystem::path& file) {
  const std::string name = file.string() + ".sha256";
  const auto beside = platform::read_file(name, 4096);
  if (!beside && beside.error().code == ErrorCode::kNotFound) return json();
  if (!beside) return fail(beside.error());
  const std::string hash = beside->substr(0, 64);
  if (platform::is_sha256(hash)) return json(hash);
  return fail(ErrorCode::kCorrupt, name + " does not begin with a SHA-256 (64 hexadecimal digits in lower case).");
}

}  // namespace

Answered<std::string> hand_over(Client& client, const std::filesystem::path& path) {
  const auto opened = store::open_model_at(path);
  if (!opened) return std::unexpected(ClientError(opened.error()));
  json body{{"name", label_of(path)}};
  std::vector<int> descriptors;
  for (const auto& file : opened->files()) descriptors.push_back(file.descriptor());
  if (opened->is_one_file()) {
    const auto sha256 = expected_hash(path);
    if (!sha256) return std::unexpected(ClientError(sha256.error()));
    body["sha256"] = *sha256;
  } else {
    for (const auto& file : opened->files()) body["files"].push_back(file.name().filename().string());
  }
  const auto answer = client.send_descriptors(kRoute, body.dump(-1, ' ', false, json::error_handler_t::replace), descriptors);
  if (!answer) return std::unexpected(answer.error());
  if (answer->status == 404 || answer->status == 405) return path.string();  // an older daemon
  const auto told = Client::json_of(*answer);
  if (!told) return std::unexpected(told.error());
  return told->value("model", path.string());
}

}  // namespace mlxr::cli
