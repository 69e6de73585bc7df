#include "store/hub_ref.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "store/names.h"

namespace mlxr::store {
namespace {

constexpr std::string_view kMain = "main";

// The text after the hub's name, and whether it was the address of a web page.
struct Remainder {
  std::string_view text;
  bool is_page = false;
};

std::optional<Remainder> after_the_hub(std::string_view text, const std::string& endpoint) {
  const auto after = [&](std::string_view prefix) { return text.substr(prefix.size()); };
  const std::string own = endpoint + "/";
  for (const std::string_view page :
       {std::string_view(own), std::string_view("https://huggingface.co/"), std::string_view("https://hf.co/")})
    if (text.starts_with(page)) return Remainder{after(page), true};
  for (const std::string_view prefix : {"hf://", "hf:", "hf.co/", "huggingface.co/"})
    if (text.starts_with(prefix)) return Remainder{after(prefix), false};
  return std::nullopt;
}

std::unexpected<Error> refuse() {
  return fail(ErrorCode::kInvalidArgument,
              "This does not name a repository on the model hub. Write hf:ORGANIZATION/REPOSITORY, "
              "hf:ORGANIZATION/REPOSITORY:QUANTIZATION, or the address of a .gguf file.");
}

std::string joined(const std::vector<std::string>& parts, std::size_t first) {
  std::string out;
  for (std::size_t i = first; i < parts.size(); ++i) out += (i > first ? "/" : "") + parts[i];
  return out;
}

// ORG/REPO, ORG/REPO/tree/REVISION, ORG/REPO/{blob,resolve,raw}/REVISION/file.gguf
Result<HubRef> parse_page(std::string_view path) {
  path = path.substr(0, path.find_first_of("?#"));
  while (path.ends_with('/')) path.remove_suffix(1);
  const auto parts = split(path, '/');
  if (parts.size() < 2) return refuse();
  HubRef ref{.organization = parts[0], .repository = parts[1]};
  if (parts.size() == 2) return ref;
  if (parts.size() < 4) return refuse();
  ref.revision = parts[3];
  if (parts[2] == "tree" && parts.size() == 4) return ref;
  if ((parts[2] != "blob" && parts[2] != "resolve" && parts[2] != "raw") || parts.size() < 5) return refuse();
  ref.file = joined(parts, 4);
  return ref;
}

// ORG/REPO[@REVISION][:QUANT], ORG/REPO[@REVISION]/file.gguf
Result<HubRef> parse_short(std::string_view text) {
  HubRef ref;
  const auto colon = text.find(':');
  if (colon != std::string_view::npos) {
    ref.quantization = text.substr(colon + 1);
    if (!is_plain_name(ref.quantization)) return refuse();
    text = text.substr(0, colon);
  }
  const auto parts = split(text, '/');
  if (parts.size() < 2 || (parts.size() > 2 && colon != std::string_view::npos)) return refuse();
  ref.organization = parts[0];
  const auto at = parts[1].find('@');
  ref.repository = parts[1].substr(0, at);
  if (at != std::string_view::npos) ref.revision = parts[1].substr(at + 1);
  if (parts.size() > 2) ref.file = joined(parts, 2);
  return ref;
}

}  // namespace

std::string hub_endpoint() {
  const char* chosen = std::getenv("HF_ENDPOINT");
  std::string endpoint = chosen != nullptr && *chosen != '\0' ? chosen : "https://huggingface.co";
  while (endpoint.ends_with('/')) endpoint.pop_back();
  return endpoint;
}

std::string hub_token() {
  const char* token = std::getenv("HF_TOKEN");
  return token == nullptr ? "" : token;
}

std::optional<Result<HubRef>> HubRef::parse(std::string_view text) {
  const auto endpoint = hub_endpoint();
  const auto rest = after_the_hub(text, endpoint);
  if (!rest) return std::nullopt;
  auto ref = rest->is_page ? parse_page(rest->text) : parse_short(rest->text);
  if (!ref) return ref;
  for (const auto& part : {ref->organization, ref->repository, ref->revision})
    if (!is_plain_name(part)) return refuse();
  if (ref->file.empty()) return ref;
  const auto folders = split(ref->file, '/');
  if (!std::ranges::all_of(folders, is_plain_name) || !ref->file.ends_with(".gguf")) return refuse();
  return ref;
}

std::string HubRef::to_string() const {
  return "hf:" + organization + "/" + repository + (revision == kMain ? "" : "@" + revision) +
         (file.empty() ? (quantization.empty() ? "" : ":" + quantization) : "/" + file);
}

std::string HubRef::repository_page() const { return hub_endpoint() + "/" + organization + "/" + repository; }

std::string HubRef::file_address() const { return repository_page() + "/resolve/" + revision + "/" + file; }

}  // namespace mlxr::store
