#include <fcntl.h>

#include <algorithm>

#include "core/formats/shards.h"
#include "daemon/routes/fields.h"
#include "daemon/routes/native/native.h"
#include "platform/sha256.h"

namespace mlxr::daemon::native {
namespace {

constexpr std::size_t kLongestName = 4096;

ApiError refused(std::string message) { return {.message = std::move(message), .code = "invalid_descriptor"}; }

ApiError bad_field(const std::string& field, std::string message) {
  return {.message = std::move(message), .field = field, .code = "invalid_value"};
}

// What the client calls the file: a label for messages and lists. Logs and terminals show it.
ApiResult<std::string> read_name(const json& body) {
  const auto name = get<std::string>(body, "name").value_or("the file");
  const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
  if (name.empty() || name.size() > kLongestName || std::ranges::any_of(name, is_control))
    return std::unexpected(bad_field("name", "\"name\" must have 1 to 4096 bytes and no control characters."));
  return name;
}

ApiResult<std::optional<std::string>> read_sha256(const json& body) {
  auto sha256 = get<std::string>(body, "sha256");
  if (sha256 && !platform::is_sha256(*sha256))
    return std::unexpected(bad_field("sha256", "\"sha256\" must have 64 hexadecimal digits in lower case."));
  return sha256;
}

// Regular files that are open for reading only, so that nobody can write to them through the daemon. Several are the shards of a model
// whose first is called `name`.
ApiResult<platform::OpenFiles> adopt(const ReceivedFiles& received, const std::string& name) {
  if (received.is_cut)
    return std::unexpected(refused("Not all descriptors arrived: too many were sent, or mlxrunnerd has too many files open."));
  if (received.files.empty()) return std::unexpected(refused("No descriptor came with the first byte of the request (SCM_RIGHTS)."));
  const auto names = formats::shard_paths(name);
  if (received.files.size() > 1 && received.files.size() != names.size())
    return std::unexpected(refused("More than one descriptor came with the request, and not one for each shard that \"name\" speaks of."));
  std::vector<platform::OpenFile> files;
  for (const auto& descriptor : received.files) {
    const auto& own_name = received.files.size() == 1 ? std::filesystem::path(name) : names[files.size()];
    auto file = platform::OpenFile::duplicate(descriptor->get(), own_name);
    if (!file) return std::unexpected(refused(file.error().message));
    if ((::fcntl(descriptor->get(), F_GETFL) & O_ACCMODE) != O_RDONLY)
      return std::unexpected(refused(own_name.string() + " is open for writing. Open it for reading only."));
    files.push_back(*std::move(file));
  }
  return platform::OpenFiles(name, std::move(files));
}

ApiResult<json> open_file(ModelHost& host, const Request& request) {
  static constexpr Field kFields[] = {{.name = "name", .type = FieldType::kString}, {.name = "sha256", .type = FieldType::kString}};
  if (request.transport != Transport::kUnixSocket)
    return std::unexpected(
        ApiError{.status = 403, .message = "A file can be handed over through the Unix socket only.", .code = "permission"});
  const auto body = request.body.empty() ? ApiResult<json>(json::object()) : parse_object(request.body);
  if (!body) return std::unexpected(body.error());
  if (auto checked = check_fields(*body, kFields); !checked) return std::unexpected(checked.error());
  const auto name = read_name(*body);
  if (!name) return std::unexpected(name.error());
  const auto sha256 = read_sha256(*body);
  if (!sha256) return std::unexpected(sha256.error());
  auto files = adopt(request.received, *name);
  if (!files) return std::unexpected(files.error());
  const auto size = files->size();
  return json{{"model", host.opened().add(*std::move(files), *sha256)}, {"size", size}};
}

}  // namespace

void open(ModelHost& host, const Request& request, Responder& out) {
  const auto body = open_file(host, request);
  out.respond(body ? Response{.body = dump(*body)} : ollama_error(body.error()));
}

}  // namespace mlxr::daemon::native
