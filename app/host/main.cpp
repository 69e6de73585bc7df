// `mlxr` (`MLXR` in a Mac's bundle): a window with the page of app/ui, which talks to mlxrunnerd over the bridge.
#include <curl/curl.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "app/host/page.h"
#include "app/host/window.h"
#include "cli/daemon_process.h"
#include "platform/process.h"
#include "platform/version.h"

namespace {

int give_up(const mlxr::Error& error) {
  std::fprintf(stderr, "mlxr: %s\n", error.message.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace mlxr;
  bool check = false;
  CLI::App words("Shows the state of mlxrunnerd and its models in a window.", "mlxr");
  words.add_flag("--check", check, "Loads the page without showing a window, prints what it shows as JSON, and exits with 0 on success");
  words.set_version_flag("--version", std::string("mlxr ") + kVersion);
  CLI11_PARSE(words, argc, argv);
  curl_global_init(CURL_GLOBAL_DEFAULT);

  const auto program = platform::running_program();
  if (!program) return give_up(program.error());
  const auto page = app::find_page(*program);
  if (!page) return give_up(page.error());
  const auto paths = cli::client_paths();
  if (!paths) return give_up(paths.error());
  return app::run_window({.paths = *paths, .page = *page, .check = check});
}
