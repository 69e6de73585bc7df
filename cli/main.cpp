// `mlx`: parses the command line, runs one command, and reports errors.
#include <curl/curl.h>

#include <cerrno>
#include <clocale>
#include <cstring>
#include <exception>
#include <string>

#include "cli/command_line.h"
#include "cli/interrupt.h"
#include "cli/terminal.h"

namespace {

using namespace mlxr::cli;

// UTF-8 for line editing and column widths, even if the environment does not set a locale.
void use_utf8() {
  const char* locale = std::setlocale(LC_CTYPE, "");
  if (locale == nullptr || std::string(locale) == "C" || std::string(locale) == "POSIX") std::setlocale(LC_CTYPE, "C.UTF-8");
}

// Exceptions are caught where the throwing library is called. One that gets here is a bug; report it instead of crashing.
Status run_and_catch(std::vector<std::string> words) {
  try {
    return run_command_line(std::move(words));
  } catch (const std::exception& error) {
    return give_up(ExitCode::kFailure, std::string("Unexpected error: ") + error.what() + ". Please report it, with the command.");
  }
}

Status with_output(Status done) {
  if (!done || output_error() == 0 || output_error() == EPIPE) return done;  // EPIPE: the reader, such as head, has closed the pipe
  return give_up(ExitCode::kFailure, std::string("The output could not be written: ") + std::strerror(output_error()) + ".");
}

}  // namespace

int main(int argc, char** argv) {
  use_utf8();
  catch_interrupts();
  curl_global_init(CURL_GLOBAL_DEFAULT);

  const Status done = with_output(run_and_catch({argv + 1, argv + argc}));
  if (done) return static_cast<int>(ExitCode::kOk);
  if (!done.error().message.empty()) complain(done.error().message);
  return static_cast<int>(done.error().exit_code);
}
