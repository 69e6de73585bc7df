#include "cli/hand_over.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/formats/shards.h"
#include "platform/files.h"
#include "platform/open_files.h"
#include "platform/sha256.h"
#include "store/installed.h"

namespace mlxr::cli {
namespace {

using nlohmann::json;

constexpr char kRoute[] = "/mlxr/open";

// The daemon shows the name in its log, and refuses one that could command a terminal.
std::string label_of(const std::filesystem::path& file) {
  std::string label = file.string();
  std::ranges::replace_if(label, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  return label;
}

// What the .sha256 beside each file say of the model, which the daemon may not be able to read; null where one is missing.
Result<json> expected_hash(const platform::OpenFiles& files) {
  std::vector<std::string> hashes;
  for (const auto& file : files.files()) {
    const std::string name = file.name().string() + ".sha256";
    const auto beside = platform::read_file(name, 4096);
    if (!beside && beside.error().code == ErrorCode::kNotFound) return json();
    if (!beside) return fail(beside.error());
    hashes.push_back(beside->substr(0, 64));
    if (!platform::is_sha256(hashes.back()))
      return fail(ErrorCode::kCorrupt, name + " does not begin with a SHA-256 (64 hexadecimal digits in lower case).");
  }
  return json(store::model_hash(hashes));
}

}  // namespace

Answered<std::string> hand_over(Client& client, const std::filesystem::path& file) {
  const auto opened = formats::open_model_files(file);
  if (!opened) return std::unexpected(ClientError(opened.error()));
  const auto sha256 = expected_hash(*opened);
  if (!sha256) return std::unexpected(ClientError(sha256.error()));
  std::vector<int> descriptors;
  for (const auto& one : opened->files()) descriptors.push_back(one.descriptor());
  const json body{{"name", label_of(opened->name())}, {"sha256", *sha256}};
  const auto answer = client.send_descriptors(kRoute, body.dump(-1, ' ', false, json::error_handler_t::replace), descriptors);
  if (!answer) return std::unexpected(answer.error());
  if (answer->status == 404 || answer->status == 405) return file.string();  // an older daemon
  const auto told = Client::json_of(*answer);
  if (!told) return std::unexpected(told.error());
  return told->value("model", file.string());
}

}  // namespace mlxr::cli
