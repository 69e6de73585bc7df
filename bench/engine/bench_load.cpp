// bench_load MODEL [THREADS]: seconds of the first load of a model that is not in the page cache, beside those of a plain read of its file,
// and of the second load; and the most memory that the process had while it loaded. Repacked weights are kept beside the model meanwhile.
#include <mlxrunner/engine.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace fs = std::filesystem;

static double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Asks the system to forget a file's contents, and returns the seconds of reading it.
static double plain_read(const fs::path& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  std::vector<char> piece(1 << 20);
  const auto start = std::chrono::steady_clock::now();
  while (::read(fd, piece.data(), piece.size()) > 0) {
  }
  const double seconds = seconds_since(start);
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  ::close(fd);
  return seconds;
}

// A number of /proc/self/status, in MB.
static double status(const std::string& name) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(name + ":")) return std::strtod(line.c_str() + name.size() + 1, nullptr) / 1000;
  return 0;
}

int main(int argc, char** argv) {
  if (argc < 2) return std::fprintf(stderr, "usage: bench_load MODEL [THREADS]\n"), 2;
  const fs::path model = argv[1], folder = model.string() + ".panels";
  const double read = plain_read(model);
  std::printf("file %.0f MB, plain read %.1f s\n", static_cast<double>(fs::file_size(model)) / 1e6, read);
  std::fflush(stdout);
  int code = 0;
  for (const char* which : {"first", "second"}) {
    const auto start = std::chrono::steady_clock::now();
    auto engine = mlxr::Engine::open({.threads = argc > 2 ? std::atoi(argv[2]) : 0});
    auto loaded = engine ? (*engine)->load(model, {.panel_folder = folder, .digest = std::string(64, '0'), .context = 512})
                         : std::unexpected(engine.error());
    if (!loaded) {
      std::fprintf(stderr, "bench_load: %s\n", loaded.error().message.c_str());
      code = 1;
      break;
    }
    const double seconds = seconds_since(start);
    std::printf("%s load %.1f s, at most %.0f MB, of which %.0f MB files\n", which, seconds, status("VmHWM"), status("RssFile"));
    std::fflush(stdout);
  }
  fs::remove_all(folder);
  return code;
}
