#include "store/installed.h"

#include <algorithm>
#include <filesystem>

#include "core/formats/checkpoint.h"
#include "core/formats/shards.h"
#include "platform/files.h"
#include "store/hub.h"
#include "store/names.h"
#include "store/source.h"

namespace mlxr::store {
namespace {

namespace fs = std::filesystem;

bool is_from_a_source_of(const ModelRecord& record, const Offer& offer) {
  // A catalogue may move a model to another place, but not to another publisher or name.
  if (offer.is_from_catalogue) {
    const auto folder = record.file.parent_path();
    return folder.filename() == folder_name(offer.name) && folder.parent_path().filename() == offer.publisher;
  }
  return std::ranges::any_of(offer.sources,
                             [&](const auto& parts) { return is_same_source(record.source, recorded_source(parts.front())); });
}

}  // namespace

std::string recorded_source(const std::string& source) {
  const auto parsed = Source::parse(source);
  return parsed ? (*parsed)->shown() : std::string();
}

bool is_same_source(const std::string& recorded, const std::string& other) {
  if (recorded == other) return true;
  const auto a = HubRef::parse(recorded), b = HubRef::parse(other);
  if (!a || !*a || !b || !*b) return false;
  return (*a)->organization == (*b)->organization && (*a)->repository == (*b)->repository && (*a)->file == (*b)->file;
}

bool is_of_reference(const ModelRecord& record, const ModelRef& ref) {
  if (ref.kind != ModelRef::Kind::kHub) return record.source == recorded_source(ref.text);
  const auto asked = HubRef::parse(ref.text), from = HubRef::parse(record.source);
  if (!*asked || !from || !*from) return false;
  const HubRef &a = **asked, &b = **from;
  if (a.organization != b.organization || a.repository != b.repository) return false;
  if (!a.file.empty()) return a.file == b.file;
  return a.quantization.empty() || quantization_of(a.quantization + ".gguf") == quantization_of(b.file.substr(b.file.rfind('/') + 1));
}

std::string without_secrets(const ModelRef& ref) {
  if (ref.kind != ModelRef::Kind::kAddress) return ref.text;
  const auto address = Address::parse(ref.text);
  return address ? address->shown() : std::string("the address");
}

std::vector<fs::path> files_of(const ModelRecord& model) {
  std::error_code failed;
  const bool is_whole = fs::file_size(model.file, failed) == model.size && !failed;  // also one that is only called like a shard
  return is_whole ? std::vector{model.file} : formats::shard_paths(model.file);
}

std::string trouble_of(const ModelRecord& model) {
  std::uint64_t size = 0;
  const auto files = files_of(model);
  for (const auto& file : files) {
    std::error_code failed;
    size += fs::file_size(file, failed);
    if (failed) return files.size() == 1 ? "its file is missing" : "its file " + file.filename().string() + " is missing";
  }
  if (size == model.size) return "";
  return (files.size() == 1 ? "its file has " : "its files have ") + std::to_string(size) + " bytes and had " + std::to_string(model.size);
}

Result<platform::OpenFiles> open_files_of(const ModelRecord& model) {
  auto files = formats::open_model_files(model.file);
  if (files || files.error().code != ErrorCode::kNotFound) return files;
  const auto paths = files_of(model);
  const auto missing = std::ranges::find_if_not(paths, platform::is_there);
  return fail(ErrorCode::kNotFound,
              "The file of " + model.name + " is missing: " + (missing == paths.end() ? model.file : *missing).string() + ". " +
                  (model.in_place ? "Import it again from where it is now." : "Get it again with: mlx pull " + model.name));
}

Result<Installed> compare_with_installed(const std::optional<ModelRecord>& installed, const Offer& offer) {
  if (!installed || (!installed->in_place && !trouble_of(*installed).empty())) return Installed::kNo;
  if (!offer.sha256.empty() && offer.sha256 == installed->sha256) return Installed::kSame;
  if (installed->in_place || !is_from_a_source_of(*installed, offer)) {
    return fail(ErrorCode::kAlreadyExists,
                "The name " + offer.name + " is taken by " + (installed->in_place ? installed->file.string() : installed->source) +
                    ", which is not the file of " + recorded_source(offer.sources.front().front()) +
                    ". Choose another name with: mlx pull --name NAME, or remove the installed model: mlx rm " + offer.name);
  }
  if (!offer.sha256.empty()) return Installed::kRenewed;
  if (offer.size != 0 && offer.size != installed->size) return Installed::kRenewed;
  // Both are RFC 3339 in UTC, so comparing the texts compares the times.
  return offer.modified_at > installed->modified_at ? Installed::kRenewed : Installed::kSame;
}

}  // namespace mlxr::store
