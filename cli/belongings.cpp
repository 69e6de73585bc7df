#include "cli/belongings.h"

#include <unistd.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "platform/files.h"
#include "platform/log_file.h"
#include "platform/running_daemon.h"
#include "platform/secrets.h"
#include "platform/sha256.h"
#include "store/leftovers.h"
#include "store/model_details.h"
#include "store/names.h"
#include "store/registry.h"

namespace mlxr::cli {
namespace {

namespace fs = std::filesystem;
using platform::is_there;

bool is_real_folder(const fs::path& path) {
  std::error_code failed;
  return fs::is_directory(fs::symlink_status(path, failed));
}

// The entries of a folder, or of the folder that a link leads to. Empty if it cannot be listed.
std::vector<fs::path> entries_of(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code failed;
  for (fs::directory_iterator it(folder, failed), end; !failed && it != end; it.increment(failed)) found.push_back(it->path());
  std::ranges::sort(found);
  return found;
}

bool begins_with(const fs::path& file, std::string_view magic) {
  const auto fd = platform::open_regular_file(file);
  std::string begin(magic.size(), '\0');
  return fd && ::read(fd->get(), begin.data(), begin.size()) == static_cast<ssize_t>(begin.size()) && begin == magic;
}

// "<SHA-256 of a model>-<kernels>.panels", which begins with the magic of repacked weights, or one that is being made (core/ops/panels.h).
bool is_repacked_weights(const fs::path& file) {
  const auto name = file.filename().string();
  if (!platform::is_sha256(std::string_view(name).substr(0, std::min<std::size_t>(64, name.size())))) return false;
  if (name.contains(".panels-part-")) return true;
  return name.ends_with(".panels") && begins_with(file, "MLXRPNL");
}

// "<name of a model>.lock". A lock is an empty file: one with a content is somebody else's.
bool is_lock(const fs::path& file) {
  std::error_code failed;
  return file.extension() == ".lock" && store::check_model_name(store::model_of_folder(file.stem().string())) &&
         fs::is_regular_file(fs::symlink_status(file, failed)) && fs::file_size(file, failed) == 0;
}

// What libedit writes (cli/history_file.h), or what was opened and not written yet.
bool is_history(const fs::path& file) {
  std::error_code failed;
  return fs::is_regular_file(file, failed) && (fs::file_size(file, failed) == 0 || begins_with(file, "_HiStOrY_V2_\n"));
}

class Search {
 public:
  Search(const platform::Paths& paths, const fs::path& socket) : paths_(paths), socket_(socket) {}

  Result<Belongings> run() {
    if (is_there(paths_.registry)) {
      if (auto ok = read_registry(); !ok) return fail(ok.error());
    }
    find_models();
    find_data();
    for (const auto& folder : {paths_.support / "locks", paths_.support / "quarantine", paths_.models, paths_.cache, paths_.logs,
                               paths_.socket.parent_path(), paths_.config.parent_path(), paths_.support})
      found_.folders.push_back(folder);
    return std::move(found_);
  }

 private:
  Result<void> read_registry() {
    auto registry = store::Registry::open(paths_.registry);
    if (!registry) return fail(registry.error());
    auto models = (*registry)->models();
    if (!models) return fail(models.error());
    models_ = std::move(*models);
    for (const auto& model : models_) {
      if (!model.in_place) continue;
      found_.in_place.push_back(model.file);
      std::error_code failed;
      if (const auto target = fs::canonical(model.file, failed); !failed) keep_.insert(target);
    }
    return {};
  }

  void find_models() {
    for (const auto& model : models_) {
      if (model.in_place || !store::is_below(model.file, paths_.models)) continue;
      ++found_.model_count;
      for (const auto& file : {model.file, fs::path(model.file.string() + ".sha256"), store::license_file(model.file)})
        add(found_.models, file);
      add_folders_up_to_models(model.file.parent_path());
    }
    for (const auto& one : store::find_leftovers(paths_)) {
      const bool unfinished = one.kind == store::Leftover::Kind::kUnfinished;
      for (const auto& file : one.files) {
        add(unfinished ? found_.models : found_.data, file);
        if (unfinished) add_folders_up_to_models(file.parent_path());
      }
      if (!unfinished && one.path.parent_path() != paths_.support / "quarantine") found_.folders.push_back(one.path.parent_path());
    }
    for (const auto& file : found_.models) found_.model_bytes += file.size;
    for (const char* suffix : {"", "-wal", "-shm", "-journal"}) add(found_.models, paths_.registry.string() + suffix);
    for (const auto& file : entries_of(paths_.support))
      if (file.filename().string().starts_with(paths_.registry.filename().string() + ".schema-")) add(found_.models, file);
  }

  void find_data() {
    add(found_.data, paths_.config);
    for (const auto& file : entries_of(paths_.support))
      if (file == platform::token_file(paths_) || file.string().starts_with(platform::token_file(paths_).string() + "."))
        add(found_.data, file);
    for (const auto& file : entries_of(paths_.support / "locks"))
      if (is_lock(file)) add(found_.data, file);
    for (const auto& file : entries_of(paths_.cache))
      if (is_repacked_weights(file) || file.filename() == "starter-hint-shown") add(found_.data, file);
    const auto log = paths_.logs / "mlxrunnerd.log", history = paths_.logs / "history";
    for (const auto& file : {log, platform::older_log(log)}) add(found_.data, file);
    if (is_history(history)) add(found_.data, history);
    std::set<fs::path> sockets{paths_.socket, socket_};
    for (const auto& socket : sockets)
      for (const char* suffix : {"", ".lock"}) add(found_.data, socket.string() + suffix);
    add(found_.data, platform::daemon_lock_file(paths_));
    add(found_.data, paths_.login_item);
    std::error_code failed;
    for (const auto& link : paths_.links)
      if (fs::is_symlink(link.at, failed) && fs::read_symlink(link.at, failed) == link.target) add(found_.data, link.at);
  }

  void add(std::vector<Belonging>& list, const fs::path& file) {
    std::error_code failed;
    if (file.empty() || !is_there(file) || is_real_folder(file) || keep_.contains(fs::canonical(file, failed))) return;
    const auto size = fs::is_regular_file(fs::symlink_status(file, failed)) ? fs::file_size(file, failed) : 0;
    list.push_back({file, failed ? 0 : size});
  }

  void add_folders_up_to_models(fs::path folder) {
    for (; store::is_below(folder, paths_.models); folder = folder.parent_path())
      if (std::ranges::find(found_.folders, folder) == found_.folders.end()) found_.folders.push_back(folder);
  }

  const platform::Paths& paths_;
  const fs::path& socket_;
  std::vector<store::ModelRecord> models_;
  std::set<fs::path> keep_;  // canonical
  Belongings found_;
};

}  // namespace

Result<Belongings> find_belongings(const platform::Paths& paths, const fs::path& socket) { return Search(paths, socket).run(); }

Result<std::vector<fs::path>> remove_belongings(const Belongings& belongings, bool models) {
  std::optional<Error> error;
  std::error_code failed;
  const auto remove = [&](const std::vector<Belonging>& files) {
    for (const auto& file : files) {
      fs::remove(file.path, failed);
      if (failed && !error) error = platform::os_error(failed.value(), "Cannot delete " + file.path.string());
    }
  };
  remove(belongings.data);
  if (models) remove(belongings.models);
  // Innermost first: a longer path cannot contain a shorter one.
  auto folders = belongings.folders;
  std::ranges::sort(folders, [](const fs::path& a, const fs::path& b) {
    return a.native().size() != b.native().size() ? a.native().size() > b.native().size() : a < b;
  });
  folders.erase(std::ranges::unique(folders).begin(), folders.end());  // with MLXR_HOME several are the same
  std::vector<fs::path> stay;
  for (const auto& folder : folders) {
    if (is_real_folder(folder)) fs::remove(folder, failed);  // fails if the folder is not empty
    if (is_there(folder)) stay.push_back(folder);
  }
  if (error) return fail(*error);
  return stay;
}

}  // namespace mlxr::cli
