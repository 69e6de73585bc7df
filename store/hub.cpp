#include "store/hub.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <regex>

#include <nlohmann/json.hpp>

#include "core/formats/shards.h"
#include "platform/sha256.h"
#include "store/http.h"
#include "store/model_file.h"

namespace mlxr::store {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestAnswer = 16 << 20;

// The order of preference if no quantization is named.
constexpr std::array kPreferred = {"Q4_K_M", "Q4_K_S", "Q4_1", "Q4_0", "Q5_K_M", "Q5_K_S", "Q6_K", "Q8_0", "Q3_K_M", "F16", "BF16", "F32"};

std::string upper(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return out;
}

std::string name_of(std::string_view path) { return std::string(path.substr(path.rfind('/') + 1)); }

// Files beside a model that are no model of their own: projectors of images, drafts of the next tokens, importance matrices.
bool is_companion(std::string_view path) {
  const auto name = upper(name_of(path));
  return name.starts_with("MMPROJ") || name.starts_with("MTP-") || name.find("-MMPROJ") != std::string::npos ||
         name.find("IMATRIX") != std::string::npos;
}

std::string gigabytes(std::uint64_t bytes) {
  const auto tenths = (bytes + 50'000'000) / 100'000'000;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " GB";
}

std::string listed(const std::vector<HubFile>& files) {
  std::string out;
  for (const auto& file : files) {
    const auto& label = file.quantization.empty() ? file.path : file.quantization;
    out += (out.empty() ? "" : ", ") + label + (file.size == 0 ? "" : " (" + gigabytes(file.size) + ")");
  }
  return out;
}

Result<json> ask(const HubRef& ref, const std::string& route, const std::atomic<bool>* cancelled) {
  const auto address = Address::parse(hub_endpoint() + "/api/models/" + ref.organization + "/" + ref.repository + route);
  if (!address) return fail(address.error());
  const auto text = http_text({.address = *address, .headers = {"Accept: application/json"}, .bearer = hub_token(), .cancelled = cancelled},
                              kLongestAnswer);
  if (!text && (text.error().code == ErrorCode::kPermission || text.error().code == ErrorCode::kNotFound)) {
    return fail(text.error().code == ErrorCode::kPermission ? ErrorCode::kPermission : ErrorCode::kNotFound,
                "The hub has no repository " + ref.organization + "/" + ref.repository +
                    (ref.revision == "main" ? "" : " with the revision " + ref.revision) +
                    ", or it is private. If your account may read it, set HF_TOKEN to a token of it.");
  }
  if (!text) return fail(text.error());
  auto parsed = json::parse(*text, nullptr, false);
  if (!parsed.is_discarded()) return parsed;
  return fail(ErrorCode::kCorrupt, address->shown() + " did not answer like a model hub.");
}

std::string text_at(const json& object, const char* key) {
  return object.is_object() && object.contains(key) && object[key].is_string() ? object[key].get<std::string>() : "";
}

json object_at(const json& object, const char* key) {
  return object.is_object() && object.contains(key) && object[key].is_object() ? object[key] : json::object();
}

void read_card(const json& model, const HubRef& ref, HubRepository& repository) {
  const auto card = object_at(model, "cardData");
  repository.license = text_at(card, "license");
  if (const auto name = text_at(card, "license_name"); !name.empty() && (repository.license.empty() || repository.license == "other"))
    repository.license = name;
  repository.license_url = text_at(card, "license_link");
  if (!repository.license_url.empty() && repository.license_url.find("://") == std::string::npos)
    repository.license_url = ref.repository_page() + "/blob/main/" + repository.license_url;
  repository.architecture = text_at(object_at(model, "gguf"), "architecture");
  repository.is_gated = model.contains("gated") && !(model["gated"].is_boolean() && !model["gated"].get<bool>());
}

HubFile read_entry(const json& entry) {
  HubFile file{.path = text_at(entry, "path")};
  file.quantization = quantization_of(name_of(file.path));
  const auto lfs = object_at(entry, "lfs");
  const auto& sized = lfs.contains("size") ? lfs : entry;
  if (sized.contains("size") && sized["size"].is_number_unsigned()) file.size = sized["size"].get<std::uint64_t>();
  if (const auto hash = text_at(lfs, "oid"); platform::is_sha256(hash)) file.sha256 = hash;
  return file;
}

// The first of these shards, which stands for the model.
HubFile join_shards(const std::vector<HubFile>& shards) {
  HubFile model = shards.front();
  model.shards = shards;
  std::vector<NamedHash> hashes;
  model.size = 0;
  for (const auto& shard : shards) {
    model.size += shard.size;
    hashes.push_back({name_of(shard.path), shard.sha256});
  }
  model.sha256 = std::ranges::find(hashes, "", &NamedHash::sha256) == hashes.end() ? digest_of(hashes) : "";
  return model;
}

// In the hub's order. A model that is split into shards is one, in the place of its first.
std::vector<HubFile> read_tree(const json& tree) {
  std::vector<HubFile> all, models;
  for (const auto& entry : tree) {
    const auto path = text_at(entry, "path");
    if (text_at(entry, "type") == "file" && path.ends_with(".gguf") && !is_companion(path)) all.push_back(read_entry(entry));
  }
  for (const auto& file : all) {
    const auto paths = formats::shard_paths(file.path);
    if (paths.size() == 1) {
      models.push_back(file);
      continue;
    }
    if (file.path != paths.front()) continue;
    std::vector<HubFile> shards;
    std::string missing;
    for (const auto& shard : paths) {
      const auto found = std::ranges::find(all, shard.string(), &HubFile::path);
      if (found != all.end()) shards.push_back(*found);
      if (found == all.end() && missing.empty()) missing = shard.string();
    }
    models.push_back(join_shards(shards));
    models.back().missing_shard = missing;
  }
  return models;
}

}  // namespace

std::string quantization_of(std::string_view file_name) {
  static const std::regex pattern(R"((?:^|[-_.])((?:UD-)?(?:[IT]?Q\d(?:_[A-Z0-9]+)*|BF16|FP?16|FP?32|MXFP4(?:_[A-Z0-9]+)*))(?=[-.]|$))",
                                  std::regex::icase);
  std::string last;
  for (std::cregex_iterator it(file_name.data(), file_name.data() + file_name.size(), pattern), end; it != end; ++it) last = (*it)[1];
  return upper(last);
}

Result<HubRepository> read_hub(const HubRef& ref, const std::atomic<bool>* cancelled) {
  const auto model = ask(ref, "/revision/" + ref.revision, cancelled);
  if (!model) return fail(model.error());
  const auto tree = ask(ref, "/tree/" + ref.revision + "?recursive=true", cancelled);
  if (!tree) return fail(tree.error());
  if (!model->is_object() || !tree->is_array()) return fail(ErrorCode::kCorrupt, hub_endpoint() + " did not answer like a model hub.");
  HubRepository repository;
  repository.commit = text_at(*model, "sha");
  if (repository.commit.empty()) repository.commit = ref.revision;
  read_card(*model, ref, repository);
  repository.files = read_tree(*tree);
  return repository;
}

namespace {

Result<HubFile> choose(const HubRef& ref, const HubRepository& repository) {
  const auto name = "hf:" + ref.organization + "/" + ref.repository;
  if (!ref.file.empty()) {
    const auto first = formats::shard_paths(ref.file).front().string();  // any shard stands for its model
    const auto found = std::ranges::find(repository.files, first, &HubFile::path);
    if (found != repository.files.end()) return *found;
    return fail(ErrorCode::kNotFound, name + " has no file " + first + ".");
  }
  const auto& models = repository.files;
  if (models.empty()) return fail(ErrorCode::kNotFound, name + " has no .gguf file. Look for a repository whose name ends in -GGUF.");

  const auto of_quantization = [&](const std::string& wanted) {
    std::vector<HubFile> matching;
    std::ranges::copy_if(models, std::back_inserter(matching), [&](const HubFile& f) { return f.quantization == wanted; });
    return matching;
  };
  const auto only_one = [&](const std::vector<HubFile>& matching) -> Result<HubFile> {
    if (matching.size() == 1) return matching.front();
    std::string paths;
    for (const auto& file : matching) paths += "\n  " + name + "/" + file.path;
    return fail(ErrorCode::kNotFound, name + " has several files in " + matching.front().quantization + ". Name one of them:" + paths);
  };

  if (!ref.quantization.empty()) {
    const auto matching = of_quantization(upper(ref.quantization));
    if (!matching.empty()) return only_one(matching);
    return fail(ErrorCode::kNotFound, name + " has no file in " + ref.quantization + ". It has: " + listed(models) + ".");
  }
  if (models.size() == 1) return models.front();
  for (const auto* preferred : kPreferred) {
    const auto matching = of_quantization(preferred);
    if (!matching.empty()) return only_one(matching);
  }
  return fail(ErrorCode::kNotFound, name + " has several files; name one: " + name + ":QUANTIZATION. It has: " + listed(models) + ".");
}

}  // namespace

Result<HubFile> choose_hub_file(const HubRef& ref, const HubRepository& repository) {
  auto chosen = choose(ref, repository);
  if (!chosen || chosen->missing_shard.empty()) return chosen;
  return fail(ErrorCode::kUnsupported, "hf:" + ref.organization + "/" + ref.repository + " lacks " + chosen->missing_shard +
                                           ", without which " + chosen->path + " is not a whole model. Choose another quantization.");
}

}  // namespace mlxr::store
