#include <fcntl.h>

#include <algorithm>

#include "daemon/routes/fields.h"
#include "daemon/routes/native/native.h"
#include "platform/sha256.h"

namespace mlxr::daemon::native {
namespace {

constexpr std::size_t kLongestName = 4096, kLongestFileName = 255;

ApiError refused(std::string message) { return {.message = std::move(message), .code = "invalid_descriptor"}; }

ApiError bad_field(const std::string& field, std::string message) {
  return {.message = std::move(message), .field = field, .code = "invalid_value"};
}

bool has_control(std::string_view text) {
  return std::ranges::any_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

// What the client calls the model: a label for messages and lists. Logs and terminals show it.
ApiResult<std::string> read_name(const json& body) {
  const auto name = get<std::string>(body, "name").value_or("the file");
  if (name.empty() || name.size() > kLongestName || has_control(name))
    return std::unexpected(bad_field("name", "\"name\" must have 1 to 4096 bytes and no control characters."));
  return name;
}

ApiResult<std::optional<std::string>> read_sha256(const json& body) {
  auto sha256 = get<std::string>(body, "sha256");
  if (sha256 && !platform::is_sha256(*sha256))
    return std::unexpected(bad_field("sha256", "\"sha256\" must have 64 hexadecimal digits in lower case."));
  return sha256;
}

// The names of a folder's files in the order of their descriptors; empty for a model of one file.
ApiResult<std::vector<std::string>> read_file_names(const json& body) {
  const auto given = body.find("files");
  if (given == body.end() || given->is_null()) return {};
  if (given->size() >= ReceivedFiles::kMost)
    return std::unexpected(bad_field("files", "\"files\" has " + std::to_string(given->size()) + " names, more than files can be sent."));
  std::vector<std::string> names;
  for (const auto& one : *given) {
    const auto name = one.is_string() ? one.get<std::string>() : std::string();
    const bool is_plain = !name.empty() && name.size() <= kLongestFileName && name != "." && name != ".." && !name.contains('/');
    if (!is_plain || has_control(name) || std::ranges::find(names, name) != names.end())
      return std::unexpected(bad_field("files",
                                       "\"files\" must be different names of files, without a folder, of 1 to 255 bytes, and with no "
                                       "control characters."));
    names.push_back(name);
  }
  if (names.empty()) return std::unexpected(bad_field("files", "\"files\" is empty: a folder has one file or more."));
  if (body.contains("sha256") && !body["sha256"].is_null())
    return std::unexpected(bad_field("sha256", "\"sha256\" is that of one file, and cannot be given with \"files\"."));
  return names;
}

// A regular file that is open for reading only, so that nobody can write to it through the daemon.
ApiResult<platform::OpenFile> adopt(int descriptor, const std::filesystem::path& name) {
  auto file = platform::OpenFile::duplicate(descriptor, name);
  if (!file) return std::unexpected(refused(file.error().message));
  if ((::fcntl(descriptor, F_GETFL) & O_ACCMODE) != O_RDONLY)
    return std::unexpected(refused(name.string() + " is open for writing. Open it for reading only."));
  return std::move(*file);
}

ApiResult<platform::OpenFiles> adopt(const ReceivedFiles& received, const std::filesystem::path& name,
                                     const std::vector<std::string>& names) {
  const auto expected = std::max<std::size_t>(names.size(), 1);
  if (received.is_cut)
    return std::unexpected(refused("Not all descriptors arrived: too many were sent, or mlxrunnerd has too many files open."));
  if (received.files.empty()) return std::unexpected(refused("No descriptor came with the first byte of the request (SCM_RIGHTS)."));
  if (received.files.size() > expected)
    return std::unexpected(
        refused("More than " + (expected == 1 ? "one descriptor" : std::to_string(expected) + " descriptors") + " came with the request."));
  if (received.files.size() < expected)
    return std::unexpected(refused(std::to_string(received.files.size()) + " descriptors came with the request, and \"files\" names " +
                                   std::to_string(expected) + " files."));
  // Shards are called by the first of them, and lie beside it; files of a folder lie in it.
  const auto folder = !names.empty() && name.filename() == names.front() ? name.parent_path() : name;
  std::vector<platform::OpenFile> files;
  for (std::size_t i = 0; i < expected; ++i) {
    auto file = adopt(received.files[i]->get(), names.empty() ? name : folder / names[i]);
    if (!file) return std::unexpected(file.error());
    files.push_back(*std::move(file));
  }
  return platform::OpenFiles(name, std::move(files));
}

ApiResult<json> open_file(ModelHost& host, const Request& request) {
  static constexpr Field kFields[] = {{.name = "name", .type = FieldType::kString},
                                      {.name = "files", .type = FieldType::kArray},
                                      {.name = "sha256", .type = FieldType::kString}};
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
  const auto names = read_file_names(*body);
  if (!names) return std::unexpected(names.error());
  auto files = adopt(request.received, *name, *names);
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
