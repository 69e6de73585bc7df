#include "store/store.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "platform/files.h"
#include "platform/sha256.h"
#include "platform/time.h"
#include "store/installed.h"
#include "store/model_details.h"
#include "store/names.h"
#include "store/offers.h"
#include "store/pull.h"
#include "store/registry.h"
#include "store/weight_cache.h"

namespace mlxr::store {
namespace {

namespace fs = std::filesystem;

// The model file that a person means: the file itself, or the one .gguf of a folder.
Result<fs::path> model_file(const fs::path& path) {
  std::error_code ec;
  const auto full = fs::absolute(path, ec).lexically_normal();
  if (ec || !fs::exists(full, ec)) return fail(ErrorCode::kNotFound, "There is no file or folder " + path.string() + ".");
  if (!fs::is_directory(full, ec)) return full;
  std::vector<fs::path> found;
  for (fs::directory_iterator it(full, ec), end; !ec && it != end; it.increment(ec)) {
    if (it->path().extension() == ".gguf") found.push_back(it->path());
  }
  if (ec) return fail(platform::os_error(ec.value(), "Cannot list " + full.string()));
  if (found.size() == 1) return found.front();
  if (found.empty()) return fail(ErrorCode::kNotFound, "The folder " + full.string() + " has no .gguf file.");
  return fail(ErrorCode::kInvalidArgument,
              "The folder " + full.string() + " has " + std::to_string(found.size()) + " .gguf files. Name the one to use.");
}

class SqliteStore final : public Store {
 public:
  SqliteStore(platform::Paths paths, std::unique_ptr<Registry> registry) : paths_(std::move(paths)), registry_(std::move(registry)) {}

  Result<std::vector<ModelRecord>> list() override { return registry_->models(); }

  Result<ModelRecord> find(std::string_view name) override {
    const auto exact = registry_->model(name);
    if (!exact) return fail(exact.error());
    if (*exact) return **exact;
    const auto all = registry_->models();
    if (!all) return fail(all.error());
    std::vector<ModelRecord> family;
    std::copy_if(all->begin(), all->end(), std::back_inserter(family),
                 [&](const ModelRecord& r) { return r.name.starts_with(std::string(name) + ":"); });
    if (family.size() == 1) return family.front();
    if (family.size() > 1) {
      std::string names;
      for (const auto& r : family) names += (names.empty() ? "" : ", ") + r.name;
      return fail(ErrorCode::kNotFound, "'" + std::string(name) + "' could be " + names + ". Name one of them.");
    }
    const auto* known = find_in_catalogue(name);
    return fail(ErrorCode::kNotFound, "The model '" + std::string(name) + "' is not here. " +
                                          (known != nullptr ? "Get it with: mlx pull " + known->name : "See which are with: mlx list"));
  }

  Result<ModelRecord> resolve_name(std::string_view name) override {
    auto record = find(name);
    return record ? verify(std::move(*record)) : record;
  }

  Result<ModelRecord> resolve_path(const fs::path& path) override {
    const auto file = model_file(path);
    if (!file) return fail(file.error());
    auto known = registry_->model_of_file(*file);
    if (!known) return fail(known.error());
    if (*known) return verify(std::move(**known));
    return describe(*file);
  }

  Result<ModelRecord> resolve(const ModelRef& ref) override {
    switch (ref.kind) {
      case ModelRef::Kind::kName: return resolve_name(ref.text);
      case ModelRef::Kind::kPath: return resolve_path(ref.text);
      case ModelRef::Kind::kHub:
      case ModelRef::Kind::kAddress:
      case ModelRef::Kind::kPackage: break;
    }
    const auto all = registry_->models();
    if (!all) return fail(all.error());
    const auto same = std::ranges::find_if(*all, [&](const ModelRecord& record) { return is_of_reference(record, ref); });
    if (same == all->end())
      return fail(ErrorCode::kNotFound, "The model of " + without_secrets(ref) + " is not installed. Get it with mlx pull.");
    return verify(*same);
  }

  Result<Offer> offer(const ModelRef& ref, const PullOptions& options) override {
    auto offer = make_offer(ref, options);
    if (!offer) return installed_offer(ref, offer.error());
    const auto here = registry_->model(offer->name);
    if (!here) return fail(here.error());
    const auto state = compare_with_installed(*here, *offer);
    if (!state) return fail(state.error());
    if (*state == Installed::kSame) offer->installed = *here;
    if (*state == Installed::kRenewed) offer->notices.push_back("The installed " + offer->name + " is an older file; it is replaced.");
    return offer;
  }

  Result<ModelRecord> pull(const Offer& offer, const PullOptions& options) override {
    if (offer.installed) return *offer.installed;
    if (auto ok = pass_license(offer, options.accept_license); !ok) return fail(ok.error());
    return run_pull(paths_, *registry_, offer, options);
  }

  Result<ModelRecord> pull(std::string_view text, const PullOptions& options) override {
    const auto ref = ModelRef::parse(text, PathRule::kNever);
    if (!ref) return fail(ref.error());
    const auto offered = offer(*ref, options);
    if (!offered) return fail(offered.error());
    if (options.notice && !offered->installed) std::ranges::for_each(offered->notices, options.notice);
    return pull(*offered, options);
  }

  Result<ModelRecord> import(const fs::path& path, std::string_view name) override {
    const auto file = model_file(path);
    if (!file) return fail(file.error());
    auto record = describe(*file);
    if (!record) return record;
    if (!name.empty()) record->name = name;
    if (auto ok = check_model_name(record->name); !ok) return fail(ok.error());
    const auto existing = registry_->model(record->name);
    if (!existing) return fail(existing.error());
    if (*existing && (*existing)->file != *file) {
      return fail(ErrorCode::kAlreadyExists,
                  "The name " + record->name + " is taken by " + (*existing)->file.string() + ". Choose another one, or remove it first.");
    }
    if (*existing && !(*existing)->in_place) return **existing;
    if (auto ok = registry_->put(*record); !ok) return fail(ok.error());
    return record;
  }

  Result<void> remove(std::string_view name) override {
    const auto record = find(name);
    if (!record) return fail(record.error());
    const auto lock = lock_model(paths_, record->name);
    if (!lock) return fail(lock.error());
    if (auto ok = registry_->erase(record->name); !ok) return ok;
    if (auto ok = forget_weights(record->sha256); !ok) return ok;
    if (record->in_place) return {};
    std::error_code ec;
    fs::remove(record->file, ec);
    if (ec) return fail(platform::os_error(ec.value(), "Cannot delete " + record->file.string()));
    fs::remove(record->file.string() + ".sha256", ec);
    fs::remove(license_file(record->file), ec);
    for (auto folder = record->file.parent_path(); folder != paths_.models && fs::is_empty(folder, ec) && !ec;
         folder = folder.parent_path())
      fs::remove(folder, ec);
    return {};
  }

  Result<std::optional<std::string>> license_accepted_at(const Offer& offer) override {
    return registry_->accepted_at(offer.name, offer.license);
  }

 private:
  // What the engine keeps of a file that has no name any more.
  Result<void> forget_weights(std::string_view sha256) {
    const auto models = registry_->models();
    if (!models) return fail(models.error());
    if (std::ranges::any_of(*models, [&](const auto& model) { return model.sha256 == sha256; })) return {};
    if (const auto cleared = clear_cached_weights(paths_.cache, sha256); !cleared) return fail(cleared.error());
    return {};
  }

  // Where the source cannot be asked, a model that is installed from it is still an answer.
  Result<Offer> installed_offer(const ModelRef& ref, const Error& error) {
    if (error.code != ErrorCode::kNetwork && error.code != ErrorCode::kNotFound) return fail(error);
    const auto all = registry_->models();
    if (!all) return fail(all.error());
    const auto same = std::ranges::find_if(*all, [&](const ModelRecord& record) {
      return ref.kind == ModelRef::Kind::kName ? record.name == ref.text : is_of_reference(record, ref);
    });
    if (same == all->end()) return fail(error);
    Offer offer{.name = same->name, .license = same->license, .sha256 = same->sha256, .installed = *same};
    if (error.code == ErrorCode::kNetwork)
      offer.notices.push_back("Whether the file at its source has changed could not be checked: " + error.message);
    return offer;
  }

  Result<void> pass_license(const Offer& offer, bool accepted_now) {
    if (!offer.asks_for_license) return {};
    const auto before = registry_->accepted_at(offer.name, offer.license);
    if (!before) return fail(before.error());
    if (*before) return {};
    if (accepted_now) return registry_->accept(offer.name, offer.license, offer.license_url);
    return fail(ErrorCode::kLicense, offer.name + " is under the license " + offer.license + " (" + offer.license_url +
                                         "). Read it; to accept it: mlx pull " + offer.name + " --accept-license");
  }

  // The hash of a file: remembered while the file looks the same.
  Result<std::string> hash_of(const fs::path& file) {
    const auto stamp = FileStamp::of(file);
    if (!stamp) return fail(stamp.error());
    const auto known = registry_->verified(file, *stamp);
    if (!known) return fail(known.error());
    if (*known) return **known;
    auto hash = platform::hash_file(file);
    if (!hash) return hash;
    if (auto ok = registry_->set_verified(file, *stamp, *hash); !ok) return fail(ok.error());
    return hash;
  }

  Result<ModelRecord> verify(ModelRecord record) {
    const auto hash = hash_of(record.file);
    if (!hash && hash.error().code == ErrorCode::kNotFound) {
      return fail(ErrorCode::kNotFound,
                  "The file of " + record.name + " is gone: " + record.file.string() + ". " +
                      (record.in_place ? "Import it again from where it is now." : "Get it again with: mlx pull " + record.name));
    }
    if (!hash) return fail(hash.error());
    if (*hash == record.sha256) return record;
    return fail(
        ErrorCode::kCorrupt,
        record.file.string() + " is not what it was: its SHA-256 is " + *hash + " and was " + record.sha256 + ". " +
            (record.in_place ? "If it was changed on purpose, import it again." : "Remove it and pull it again: mlx rm " + record.name));
  }

  // A file that lies where it lies, compared with the .sha256 beside it.
  Result<ModelRecord> describe(const fs::path& file) {
    const auto hash = hash_of(file);
    if (!hash) return fail(hash.error());
    const auto beside = platform::read_file(file.string() + ".sha256", 4096);
    if (!beside && beside.error().code != ErrorCode::kNotFound) return fail(beside.error());
    if (beside && std::string_view(*beside).substr(0, 64) != *hash) {
      return fail(ErrorCode::kCorrupt, file.string() + " has the SHA-256 " + *hash + ", and " + file.filename().string() +
                                           ".sha256 says another. Nothing was imported.");
    }
    const auto stamp = FileStamp::of(file);
    if (!stamp) return fail(stamp.error());
    ModelRecord record;
    record.name = file.stem().string();
    record.file = file;
    record.in_place = true;
    record.size = stamp->size;
    record.sha256 = *hash;
    record.source = file.string();
    record.modified_at = platform::to_rfc3339(static_cast<std::time_t>(stamp->modified_ns / 1'000'000'000));
    if (auto ok = read_details(record); !ok) return fail(ok.error());
    return record;
  }

  const platform::Paths paths_;
  const std::unique_ptr<Registry> registry_;
};

}  // namespace

Result<std::unique_ptr<Store>> Store::open(const platform::Paths& paths) {
  if (auto ok = catalogue_state(); !ok) return fail(ok.error());
  if (auto ok = platform::make_private_folder(paths.support); !ok) return fail(ok.error());
  auto registry = Registry::open(paths.registry);
  if (!registry) return fail(registry.error());
  return std::make_unique<SqliteStore>(paths, std::move(*registry));
}

}  // namespace mlxr::store
