// `mlx`: reads the command line, runs one command, says what went wrong.
#include <curl/curl.h>

#include <CLI/CLI.hpp>
#include <clocale>
#include <cstdio>
#include <string>

#include "cli/commands/commands.h"
#include "cli/interrupt.h"
#include "cli/terminal.h"

namespace {

// UTF-8 in line editing and column widths, also where the environment names no locale.
void use_utf8() {
  const char* locale = std::setlocale(LC_CTYPE, "");
  if (locale == nullptr || std::string(locale) == "C" || std::string(locale) == "POSIX") std::setlocale(LC_CTYPE, "C.UTF-8");
}

}  // namespace

int main(int argc, char** argv) {
  using namespace mlxr::cli;
  use_utf8();
  catch_interrupts();
  curl_global_init(CURL_GLOBAL_DEFAULT);

  CLI::App app;
  Action action;
  add_all_commands(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "mlx: %s\nThe commands and options: mlx --help\n", error.what());
    return static_cast<int>(ExitCode::kUsage);
  }

  const Status done = action();
  if (done) return static_cast<int>(ExitCode::kOk);
  if (!done.error().message.empty()) {
    std::fprintf(stderr, "%s %s\n", styled_error(Style::kRed, "mlx:").c_str(), TerminalFilter().clean(done.error().message).c_str());
  }
  return static_cast<int>(done.error().exit_code);
}
