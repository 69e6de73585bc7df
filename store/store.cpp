#include "store/store.h"

#include <algorithm>
#include <iterator>
#include <ranges>
#include <utility>

#include "core/formats/checkpoint.h"
#include "core/formats/shards.h"
#include "platform/clone_file.h"
#include "platform/files.h"
#include "platform/mac_paths.h"
#include "platform/sha256.h"
#include "platform/time.h"
#include "store/installed.h"
#include "store/model_details.h"
#include "store/model_file.h"
#include "store/names.h"
#include "store/offers.h"
#include "store/pull.h"
#include "store/quantize.h"
#include "store/registry.h"
#include "store/weight_cache.h"

namespace mlxr::store {
namespace {

namespace fs = std::filesystem;

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
    return fail(ErrorCode::kNotFound, "Model '" + std::string(name) + "' not found. " +
                                          (known != nullptr ? "Get it with: mlx pull " + known->name : "Installed models: mlx list"));
  }

  Result<OpenModel> open_model(const ModelRef& ref, const CheckOptions& options) override {
    switch (ref.kind) {
      case ModelRef::Kind::kName: {
        const auto record = find(ref.text);
        return record ? verify(*record, options) : fail(record.error());
      }
      case ModelRef::Kind::kPath: return open_path(ref.text, options);
      case ModelRef::Kind::kHub:
      case ModelRef::Kind::kAddress:
      case ModelRef::Kind::kPackage: break;
    }
    const auto all = registry_->models();
    if (!all) return fail(all.error());
    const auto same = std::ranges::find_if(*all, [&](const ModelRecord& record) { return is_of_reference(record, ref); });
    if (same == all->end())
      return fail(ErrorCode::kNotFound, "The model of " + without_secrets(ref) + " is not installed. Get it with mlx pull.");
    return verify(*same, options);
  }

  Result<OpenModel> open_files(const platform::OpenFiles& opened, const std::optional<std::string>& sha256,
                               const CheckOptions& options) override {
    auto files = opened.duplicate();
    if (!files) return fail(files.error());
    const auto hashes = hashes_of(*files, options, [this](const platform::OpenFile& file) { return registry_->verified(stamp_of(file)); });
    if (!hashes) return fail(hashes.error());
    const auto hash = digest_of(*files, *hashes);
    if (sha256 && *sha256 != hash) return other_hash(files->name(), hash);
    return describe(*std::move(files), hash);
  }

  std::optional<std::string> known_hash(const platform::OpenFiles& files) override {
    std::vector<std::string> hashes;
    for (const auto& file : files.files()) {
      auto known = registry_->verified(stamp_of(file)).value_or(std::nullopt);
      if (!known) return std::nullopt;
      hashes.push_back(*std::move(known));
    }
    return digest_of(files, hashes);
  }

  Result<ModelRecord> resolve(const ModelRef& ref, const CheckOptions& options) override { return record_of(open_model(ref, options)); }

  Result<ModelRecord> resolve_name(std::string_view name, const CheckOptions& options) override {
    const auto record = find(name);
    return record ? record_of(verify(*record, options)) : record;
  }

  Result<ModelRecord> resolve_path(const fs::path& path, const CheckOptions& options) override {
    return record_of(open_path(path, options));
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
    const auto before = registry_->model(offer.name);
    if (!before) return fail(before.error());
    auto record = run_pull(paths_, *registry_, offer, options);
    if (!record || !*before) return record;
    if (auto ok = delete_replaced(**before, *record); !ok) return fail(ok.error());
    return record;
  }

  Result<ModelRecord> pull(std::string_view text, const PullOptions& options) override {
    const auto ref = ModelRef::parse(text, PathRule::kNever);
    if (!ref) return fail(ref.error());
    const auto offered = offer(*ref, options);
    if (!offered) return fail(offered.error());
    if (options.notice && !offered->installed) std::ranges::for_each(offered->notices, options.notice);
    return pull(*offered, options);
  }

  Result<ModelRecord> import(const fs::path& path, std::string_view name, const CheckOptions& options) override {
    const auto folder = find_model_folder(path);
    const auto file = folder ? Result<fs::path>(*folder) : find_model_file(path);
    if (!file) return fail(file.error());
    const std::string own_name = folder ? file->filename().string() : name_of_file(*file);
    const std::string chosen = name.empty() ? own_name : std::string(name);
    if (auto ok = check_model_name(chosen); !ok) {
      if (name.empty()) ok.error().message += " Choose a name with --name.";
      return fail(ok.error());
    }
    const auto lock = lock_model(paths_, chosen);
    if (!lock) return fail(lock.error());
    const auto existing = registry_->model(chosen);
    if (!existing) return fail(existing.error());
    if (*existing && (*existing)->file != *file && (*existing)->source != file->string()) {
      return fail(ErrorCode::kAlreadyExists,
                  "The name " + chosen + " is taken by " + (*existing)->file.string() + ". Choose another one, or remove it first.");
    }
    if (*existing && !(*existing)->in_place) return **existing;
    const bool is_copied = platform::has_sandboxed_daemon(paths_) && !is_below(*file, paths_.support);
    auto described = folder      ? describe_converted(*folder, chosen, options)
                     : is_copied ? describe_copy(*file, chosen, options)
                                 : describe(*file, options);
    if (!described) return fail(described.error());
    auto* const record = &described->record;
    record->name = chosen;
    record->modified_at = platform::now_rfc3339();  // when it was added; the file may be years old
    if (auto ok = registry_->put(*record); !ok) return fail(ok.error());
    return *record;
  }

  Result<void> remove(std::string_view name) override {
    const auto record = find(name);
    const std::string full = record ? record->name : std::string(name);
    auto left = leftovers();
    std::erase_if(left, [&](const Leftover& one) { return one.name != full; });
    if (!record && (left.empty() || record.error().code != ErrorCode::kNotFound)) return fail(record.error());
    const auto lock = lock_model(paths_, full);
    // A lock cannot be made on a full disk, which is where room is wanted most.
    if (!lock && lock.error().code != ErrorCode::kNoSpace) return fail(lock.error());
    // The files first: on a full disk the registry cannot be written before. A kill between leaves a model whose file is gone, which can be
    // removed again.
    if (record) {
      if (auto ok = delete_files_of(*record); !ok) return ok;
      if (auto ok = forget_weights(*record); !ok) return ok;
    }
    if (auto ok = remove_leftovers(paths_, left); !ok) return ok;
    return record ? registry_->erase(full) : Result<void>();
  }

  std::vector<Leftover> leftovers() override { return find_leftovers(paths_); }

  Result<std::optional<std::string>> license_accepted_at(const Offer& offer) override {
    return registry_->accepted_at(offer.name, offer.license, offer.license_url);
  }

 private:
  Result<void> delete_files_of(const ModelRecord& record) {
    if (record.in_place || !is_below(record.file, paths_.models)) return {};
    if (auto ok = delete_files(files_of(record)); !ok) return ok;
    std::error_code ec;
    fs::remove(license_file(record.file), ec);
    remove_empty_folders(record.file.parent_path(), paths_.models);
    return {};
  }

  // With the .sha256 beside each.
  static Result<void> delete_files(const std::vector<fs::path>& files) {
    for (const auto& file : files) {
      std::error_code ec;
      fs::remove(file, ec);
      if (ec) return fail(platform::os_error(ec.value(), "Cannot delete " + file.string()));
      fs::remove(file.string() + ".sha256", ec);
    }
    return {};
  }

  // A renewed model may have other file names, or other shards: nothing of the old files stays behind.
  Result<void> delete_replaced(const ModelRecord& old, const ModelRecord& renewed) {
    if (!old.in_place && is_below(old.file, paths_.models)) {
      auto gone = formats::shard_paths(old.file);
      const auto stay = files_of(renewed);
      std::erase_if(gone, [&](const fs::path& file) { return std::ranges::find(stay, file) != stay.end(); });
      if (auto ok = delete_files(gone); !ok) return ok;
    }
    return old.sha256 == renewed.sha256 ? Result<void>() : forget_weights(old);
  }

  // What the engine keeps of a file, unless another model has the same file.
  Result<void> forget_weights(const ModelRecord& record) {
    const auto models = registry_->models();
    if (!models) return fail(models.error());
    if (std::ranges::any_of(*models, [&](const auto& one) { return one.sha256 == record.sha256 && one.name != record.name; })) return {};
    if (const auto cleared = clear_cached_weights(paths_.cache, record.sha256); !cleared) return fail(cleared.error());
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
    const auto before = registry_->accepted_at(offer.name, offer.license, offer.license_url);
    if (!before) return fail(before.error());
    if (*before) return {};
    if (accepted_now) return registry_->accept(offer.name, offer.license, offer.license_url);
    return fail(ErrorCode::kLicense, offer.name + " is under the license " + offer.license + " (" + offer.license_url +
                                         "). Read it; to accept it: mlx pull " + offer.name + " --accept-license");
  }

  static Result<ModelRecord> record_of(Result<OpenModel> model) {
    if (!model) return fail(model.error());
    return std::move(model->record);
  }

  Result<OpenModel> open_path(const fs::path& path, const CheckOptions& options) {
    const auto file = find_model_file(path);
    if (!file) return fail(file.error());
    const auto known = registry_->model_of_file(*file);
    if (!known) return fail(known.error());
    return *known ? verify(**known, options) : describe(*file, options);
  }

  static FileStamp stamp_of(const platform::OpenFile& file) { return FileStamp::of(file.info()); }

  // The hash of each file of a model. It is remembered while the file looks the same: `known` says what it is.
  using KnownHash = std::function<Result<std::optional<std::string>>(const platform::OpenFile&)>;
  Result<std::vector<std::string>> hashes_of(const platform::OpenFiles& files, const CheckOptions& options, const KnownHash& known) {
    std::vector<std::string> hashes;
    std::uint64_t done = 0;
    for (const auto& file : files.files()) {
      auto remembered = known(file);
      if (!remembered) return fail(remembered.error());
      auto of_this = options;
      if (options.progress) of_this.progress = [&](std::uint64_t bytes) { options.progress(done + bytes); };
      auto hash = *remembered ? Result<std::string>(**std::move(remembered)) : compute_hash(file, of_this);
      if (!hash) return fail(std::move(hash.error()));
      hashes.push_back(*std::move(hash));
      done += file.size();
    }
    return hashes;
  }
  // The same for files whose paths are known.
  Result<std::vector<std::string>> hashes_of(const platform::OpenFiles& files, const CheckOptions& options) {
    return hashes_of(files, options, [this](const platform::OpenFile& file) { return registry_->verified(file.name(), stamp_of(file)); });
  }

  // Remembered for a file whose path is known.
  Result<std::string> compute_hash(const platform::OpenFile& file, const CheckOptions& options) {
    auto hash = platform::hash_file(file, options.progress, options.cancelled);
    if (!hash) return hash;
    if (!file.unchanged())
      return fail(ErrorCode::kCorrupt, file.name().string() + " changed while it was verified. Try again when it is complete.");
    if (!file.name().is_absolute()) return hash;
    if (auto ok = registry_->set_verified(file.name(), stamp_of(file), *hash); !ok) return fail(ok.error());
    return hash;
  }

  Result<OpenModel> verify(const ModelRecord& record, const CheckOptions& options) {
    auto files = open_files_of(record);
    if (!files) return fail(files.error());
    const auto hashes = hashes_of(*files, options);
    if (!hashes) return fail(hashes.error());
    const auto hash = digest_of(*files, *hashes);
    if (hash == record.sha256) return OpenModel{record, std::move(*files)};
    return fail(ErrorCode::kCorrupt, record.file.string() + (files->is_one_file() ? "" : ", or another shard,") +
                                         " has changed: its SHA-256 is " + hash + " and was " + record.sha256 + ". " +
                                         (record.in_place ? "If it was changed on purpose, import it again."
                                                          : "Remove it and pull it again: mlx rm " + record.name));
  }

  // A sandboxed daemon opens no file elsewhere: the store gets files of its own, which take no room where the disk can share them.
  Result<OpenModel> describe_copy(const fs::path& file, const std::string& name, const CheckOptions& options) {
    const fs::path folder = paths_.models / "imported" / folder_name(name);
    const auto files = formats::open_model_files(file);
    if (!files) return fail(files.error());
    if (auto made = platform::make_folders(folder); !made) return fail(made.error());
    std::error_code failed;
    std::vector<fs::path> copies;
    Result<void> cloned;
    for (const auto& one : files->files()) {
      const auto& path = one.name();
      const fs::path copy = folder / path.filename(), sum = path.string() + ".sha256", sum_copy = copy.string() + ".sha256";
      copies.push_back(copy);
      for (const auto& old : {copy, sum_copy}) fs::remove(old, failed);  // of an import that was interrupted: no model has this name
      cloned = platform::clone_file(path, copy, options.cancelled);
      if (cloned && fs::exists(sum, failed)) cloned = platform::clone_file(sum, sum_copy, options.cancelled);
      if (!cloned) break;
    }
    auto described = cloned ? describe(copies.front(), options) : Result<OpenModel>(fail(cloned.error()));
    if (!described) {
      for (const auto& copy : copies)
        for (const auto& mine : {copy, fs::path(copy.string() + ".sha256")}) fs::remove(mine, failed);
      remove_empty_folders(folder, paths_.models);
      return described;
    }
    described->record.in_place = false;
    described->record.source = file.string();
    return described;
  }

  // A folder becomes one file of the store's own, which does not change when the folder does.
  Result<OpenModel> describe_converted(const fs::path& folder, const std::string& name, const CheckOptions& options) {
    const fs::path file = paths_.models / "imported" / folder_name(name) / (folder_name(name) + ".gguf");
    if (auto made = platform::make_folders(file.parent_path()); !made) return fail(made.error());
    // Overwrites what an import left that was interrupted: no model has this name.
    const auto converted = convert(folder, file, {.overwrite = true, .progress = {}, .cancelled = options.cancelled});
    auto described = converted ? describe(file, options) : Result<OpenModel>(fail(converted.error()));
    if (!described) {
      std::error_code ignored;
      fs::remove(file, ignored);
      remove_empty_folders(file.parent_path(), paths_.models);
      return described;
    }
    described->record.in_place = false;
    described->record.source = folder.string();
    return described;
  }

  // A file, shards or a folder that no import has registered. Each file that has a .sha256 beside it is compared with that.
  Result<OpenModel> describe(const fs::path& path, const CheckOptions& options) {
    auto files = formats::open_model_files(path);
    if (!files) return fail(files.error());
    const auto hashes = hashes_of(*files, options);
    if (!hashes) return fail(hashes.error());
    for (std::size_t i = 0; i < hashes->size(); ++i) {
      const auto& name = files->files()[i].name();
      const auto beside = platform::read_file(name.string() + ".sha256", 4096);
      if (!beside && beside.error().code != ErrorCode::kNotFound) return fail(beside.error());
      if (beside && beside->substr(0, 64) != (*hashes)[i]) return other_hash(name, (*hashes)[i]);
    }
    const auto hash = digest_of(*files, *hashes);
    return describe(*std::move(files), hash);
  }

  static std::unexpected<Error> other_hash(const fs::path& file, const std::string& hash) {
    return fail(ErrorCode::kCorrupt, file.string() + " has the SHA-256 " + hash + ", and " + file.filename().string() +
                                         ".sha256 says another. Nothing was imported.");
  }

  static Result<OpenModel> describe(platform::OpenFiles files, const std::string& hash) {
    const auto& path = files.name();
    const auto last_modified =
        std::ranges::max(files.files() | std::views::transform([](const auto& file) { return stamp_of(file).modified_ns; }));
    ModelRecord record;
    record.name = name_of_file(path);
    record.file = path;
    record.in_place = true;
    record.size = files.size();
    record.sha256 = hash;
    record.source = path.string();
    record.modified_at = platform::to_rfc3339(static_cast<std::time_t>(last_modified / 1'000'000'000));
    if (auto ok = read_details(record, files); !ok) return fail(ok.error());
    return OpenModel{std::move(record), std::move(files)};
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
