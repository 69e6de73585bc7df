// mlxrunnerd: reads its configuration, opens the store and the engine, binds its socket, and serves until it is told to stop.
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>

#include "daemon/config.h"
#include "daemon/models/memory_of.h"
#include "daemon/models/model_host.h"
#include "daemon/periodic.h"
#include "daemon/routes/api_error.h"
#include "daemon/routes/native/native.h"
#include "daemon/routes/ollama/ollama.h"
#include "daemon/routes/openai/openai.h"
#include "daemon/transport/instance.h"
#include "daemon/transport/live_token.h"
#include "daemon/transport/server.h"
#include "platform/cpu.h"
#include "platform/files.h"
#include "platform/links.h"
#include "platform/log_file.h"
#include "platform/paths.h"
#include "platform/service.h"
#include "platform/version.h"

namespace {

using namespace mlxr;
using namespace mlxr::daemon;

EngineOptions engine_options(const Config& config) {
  return {.threads = config.threads,
          .max_batch_tokens = config.max_batch_tokens,
          .target_latency_ms = config.target_latency_ms,
          .max_queue = config.max_queue,
          .kv_bytes = config.kv,
          .kv_type = config.kv_type,
          .kernels = config.kernels};
}

Handler handler_of(const Router& router) {
  return [&router](const mlxr::daemon::Request& request, Responder& out) {
    const auto begin = std::chrono::steady_clock::now();
    router.handle(request, out);
    // The route and the time only; never the content.
    spdlog::debug("{} {} {} ms", request.method, request.path,
                  std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin).count());
  };
}

// launchd connects the output to /dev/null: one property list serves all users, so it cannot name a log file for each of them.
Result<void> write_to_log(const std::filesystem::path& log) {
  if (auto made = platform::make_folders(log.parent_path(), 0700); !made) return made;
  const auto file = platform::open_log(log);
  if (!file) return fail(file.error());
  if (::dup2(file->get(), STDOUT_FILENO) < 0 || ::dup2(file->get(), STDERR_FILENO) < 0)
    return fail(platform::os_error(errno, "Cannot write the log " + log.string()));
  return {};
}

std::uint64_t memory_limit(const Config& config) { return config.memory != 0 ? config.memory : platform::usable_memory(); }

std::filesystem::path panel_folder(const Config& config, const platform::Paths& paths) {
  return config.cache != 0 ? paths.cache : std::filesystem::path();
}

// `sha256` is the model's, if it is known: it says whether repacked weights of it are kept already.
Result<void> print_memory_of(const std::filesystem::path& model, const std::string& sha256, const Config& config,
                             const platform::Paths& paths) {
  auto engine = Engine::open(engine_options(config));
  if (!engine) return fail(engine.error());
  const auto need = memory_of(**engine, model,
                              {.panel_folder = panel_folder(config, paths),
                               .digest = sha256.empty() ? "unknown" : sha256,
                               .panel_limit = config.cache,
                               .memory = memory_limit(config),
                               .max_context = config.context});
  if (!need) return fail(need.error());
  std::puts(need->c_str());
  return {};
}

Result<void> serve(const Config& config, const platform::Paths& paths) {
  // Claimed first: a second daemon must end before it touches anything.
  auto instance = Instance::claim(platform::daemon_lock_file(paths), config.uds.empty() ? paths.socket : config.uds);
  if (!instance) return fail(instance.error());
  for (const auto& complaint : platform::make_links(paths)) spdlog::warn("{}", complaint);
  LiveToken token(paths);
  if (config.port != 0)
    if (auto made = token.read(); !made) return fail(made.error());
  auto store = store::Store::open(paths);
  if (!store) return fail(store.error());
  auto engine = Engine::open(engine_options(config));
  if (!engine) return fail(engine.error());
  if (const auto kernels = (*engine)->status().kernels; !kernels.warning.empty()) spdlog::warn("{}", kernels.warning);

  ModelHost host(**engine, **store,
                 {.keep_alive = *parse_duration(config.keep_alive),
                  .context = config.context,
                  .memory = memory_limit(config),
                  .panel_folder = panel_folder(config, paths),
                  .panel_limit = config.cache});
  Router router;
  std::unique_ptr<Server> server;
  openai::add_routes(router, host);
  ollama::add_routes(router, host);
  native::add_routes(router, host, {.socket = instance->socket().string(), .port = config.port, .given = config.given, .stop = [&server] {
                                      server->stop();
                                    }});

  // Every request in the engine's queue holds a worker. Beside one model's full queue, requests for another model find workers, and so do
  // requests that need no model.
  constexpr std::size_t kQueues = 2, kOtherWorkers = 128;
  auto started =
      Server::start({.unix_listener = instance->release_listener(),
                     .port = config.port,
                     .host = config.host,
                     .token = [&token] { return token.read().value_or(""); },
                     .origins = config.origins,
                     .workers = kQueues * static_cast<std::size_t>(config.max_queue) + kOtherWorkers,
                     .is_quick = [&router](const mlxr::daemon::Request& request) { return router.is_quick(request); },
                     .refuse = [](std::string_view path, int status,
                                  std::string message) { return error_at(path, {.status = status, .message = std::move(message)}); }},
                    handler_of(router));
  if (!started) return fail(started.error());
  server = std::move(*started);
  spdlog::info("mlxrunnerd {} listens on {}", kVersion, instance->socket().string());
  for (const auto& one : config.given)
    if (one.managed) spdlog::info("{}: {} is managed, by {}", one.name, one.value, one.origin);
  if (config.port != 0) spdlog::info("mlxrunnerd also listens on {} port {}; to print the token: mlx token show", config.host, config.port);
  const Periodic care(std::chrono::seconds(2), [&, gone = false]() mutable {
    host.close_unused_files();
    if (const auto limited = platform::limit_own_log(paths.logs / "mlxrunnerd.log"); !limited) spdlog::warn("{}", limited.error().message);
    if (gone || instance->is_in_place()) return;
    gone = true;
    spdlog::warn("{} was removed or replaced: no client can reach this daemon, so it stops", instance->socket().string());
    server->stop();
  });
  platform::notify_ready();
  const bool all_ended = server->run([&host] {
    platform::notify_stopping();
    spdlog::info("stopping");
    host.stop_loading();
  });
  if (!all_ended) {  // a thread still uses objects that the destructors below would destroy
    instance->remove_socket();
    spdlog::shutdown();
    std::_Exit(0);
  }
  return {};
}

// Every client takes a descriptor. launchd allows 256 and most shells 1024, far fewer than the system does.
void allow_many_descriptors() {
  constexpr rlim_t kWanted = 8192;
  struct rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= kWanted) return;
  limit.rlim_cur = std::min(limit.rlim_max, kWanted);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// The log should say why the daemon crashed, even for an uncaught exception.
[[noreturn]] void log_and_abort() {
  try {
    if (const auto error = std::current_exception()) std::rethrow_exception(error);
    spdlog::critical("mlxrunnerd crashed: std::terminate was called");
  } catch (const std::exception& error) {
    spdlog::critical("mlxrunnerd crashed: {}", error.what());
  } catch (...) {
    spdlog::critical("mlxrunnerd crashed: an unknown exception");
  }
  std::abort();
}

std::string explain(const CLI::App* app, const CLI::Error& error) {
  const auto unknown = app->remaining();
  const std::string sentence = unknown.empty() ? error.what() : "Unknown option " + unknown.front() + ".";
  return "mlxrunnerd: " + sentence + "\nOptions: mlxrunnerd --help\n";
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // whoever reads the log or an answer may go away: that is a write error, not the daemon's end
  CLI::App app("Serves local models over a private Unix socket.", "mlxrunnerd");
  app.footer("Example: mlx serve --threads 4\nManual: man mlxrunnerd");
  std::string config_file;
  std::optional<int> threads;
  std::string memory_of_model, sha256;
  bool show_config = false, log_file = false;
  app.add_option("--config", config_file, "Read this file instead of the default server.yaml")->check(CLI::ExistingFile);
  app.add_option("--threads", threads, "Number of kernel threads, overriding server.yaml; 0: one per core")->check(CLI::Range(0, 1024));
  app.add_flag("--show-config", show_config, "Print the effective settings and where each comes from, then exit");
  app.add_option("--memory-of", memory_of_model,
                 "Print as JSON how much memory the model at this path takes with these settings, then exit");
  app.add_option("--digest", sha256, "With --memory-of: the model's SHA-256, by which its repacked weights are found");
  app.add_flag("--log-file", log_file, "Write to mlxrunnerd.log in the log folder instead of stderr; used by launchd");
  app.set_version_flag("--version", std::string("mlxrunnerd ") + kVersion);
  app.failure_message(explain);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }

  auto logger = spdlog::stderr_color_mt("mlxrunnerd");
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
  spdlog::set_default_logger(std::move(logger));
  std::set_terminate(log_and_abort);
  allow_many_descriptors();

  bool another_runs = false;
  const auto start = [&]() -> Result<void> {
    const auto paths = platform::Paths::from_environment();
    if (!paths) return fail(paths.error());
    if (log_file)
      if (auto opened = write_to_log(paths->logs / "mlxrunnerd.log"); !opened) return opened;
    auto config = effective_config(config_file.empty() ? paths->config : std::filesystem::path(config_file));
    if (!config) return fail(config.error());
    if (threads && config->is_managed("threads"))
      return fail(ErrorCode::kPermission, "--threads cannot be used: an administrator manages `threads` on this machine.");
    if (threads) config->threads = *threads;
    if (show_config) {
      std::fputs(describe(*config).c_str(), stdout);
      return {};
    }
    if (config->is_managed("kernels")) ::unsetenv("MLXR_KERNELS");  // it would override the setting
    if (!memory_of_model.empty()) return print_memory_of(memory_of_model, sha256, *config, *paths);
    auto served = serve(*config, *paths);
    another_runs = !served && platform::running_daemon(platform::daemon_lock_file(*paths));
    return served;
  };
  const auto done = [&]() -> Result<void> {
    try {
      return start();
    } catch (const std::bad_alloc&) {
      return fail(ErrorCode::kOverloaded, "There is not enough memory to start.");
    } catch (const std::exception& error) {
      return fail(ErrorCode::kInternal, std::string("It could not start: ") + error.what());
    }
  }();
  if (done) return 0;
  std::fprintf(stderr, "mlxrunnerd: %s\n", done.error().message.c_str());
  constexpr int kAnotherRuns = 3;  // so that a service manager does not try again
  return another_runs ? kAnotherRuns : 1;
}
