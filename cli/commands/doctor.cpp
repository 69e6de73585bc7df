#include <sys/stat.h>
#include <unistd.h>
#if defined(__APPLE__)
#include <sys/sysctl.h>
#endif

#include <CLI/CLI.hpp>
#include <array>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli/client.h"
#include "cli/commands/commands.h"
#include "cli/daemon_process.h"
#include "cli/format.h"
#include "cli/model_json.h"
#include "cli/terminal.h"

namespace mlxr::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::uint64_t kLittleSpace = 1'000'000'000;  // bytes

enum class Verdict { kGood, kWarning, kBad };

struct Finding {
  std::string subject;
  Verdict verdict = Verdict::kGood;
  std::string text;  // what was found
  std::string todo;  // what to do about it; empty when nothing is to be done
};

fs::path nearest_existing(fs::path folder) {
  std::error_code failed;
  while (!fs::exists(folder, failed) && folder.has_relative_path()) folder = folder.parent_path();
  return folder;
}

Finding check_folder(const std::string& subject, const fs::path& folder) {
  const fs::path existing = nearest_existing(folder);
  if (access(existing.c_str(), W_OK | X_OK) != 0) {
    return {subject, Verdict::kBad, existing.string() + " is not writable for you",
            "Give it back to yourself: sudo chown -R \"$USER\" '" + existing.string() + "'"};
  }
  return {subject, Verdict::kGood, folder.string() + (existing == folder ? "" : " (made when it is needed)"), ""};
}

Finding check_socket_folder(const fs::path& socket) {
  const fs::path folder = socket.parent_path();
  Finding finding = check_folder("socket", folder);
  if (finding.verdict != Verdict::kGood) return finding;
  finding.text = socket.string();
  struct stat status{};
  if (stat(folder.c_str(), &status) == 0 && (status.st_mode & 077) != 0) {
    return {"socket", Verdict::kBad, folder.string() + " can be entered by others", "Close it: chmod 700 '" + folder.string() + "'"};
  }
  if (lstat(socket.c_str(), &status) == 0 && !S_ISSOCK(status.st_mode)) {
    return {"socket", Verdict::kBad, socket.string() + " is not a socket", "Move that file away"};
  }
  return finding;
}

Finding check_space(const fs::path& models) {
  std::error_code failed;
  const fs::space_info space = fs::space(nearest_existing(models), failed);
  if (failed) return {"disk space", Verdict::kWarning, "unknown: " + failed.message(), ""};
  Finding finding{"disk space", Verdict::kGood, format_bytes(space.available) + " free for models", ""};
  if (space.available < kLittleSpace) {
    finding.verdict = Verdict::kWarning;
    finding.todo = "Make room: mlx rm MODEL removes a model";
  }
  return finding;
}

Finding check_processor() {
#if defined(__APPLE__)
  std::array<char, 256> brand{};
  std::size_t size = brand.size() - 1;
  sysctlbyname("machdep.cpu.brand_string", brand.data(), &size, nullptr, 0);
  return {"processor", Verdict::kGood, brand.data(), ""};
#else
  // The features that kernels are chosen by, as the kernel names them on x86-64 and arm64.
  constexpr std::array kKnown{"avx2",     "fma",      "f16c",  "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16",
                              "avx_vnni", "amx_int8", "asimd", "asimddp", "i8mm",     "bf16",        "sve"};
  std::ifstream info("/proc/cpuinfo");
  std::string model;
  std::string found;
  for (std::string line; std::getline(info, line);) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::string value = line.substr(std::min(colon + 2, line.size()));
    if (line.starts_with("model name") && model.empty()) model = value;
    if ((line.starts_with("flags") || line.starts_with("Features")) && found.empty()) {
      const std::string padded = " " + value + " ";
      for (const char* feature : kKnown) {
        if (padded.find(" " + std::string(feature) + " ") != std::string::npos) found += (found.empty() ? "" : " ") + std::string(feature);
      }
    }
  }
  return {"processor", Verdict::kGood, (model.empty() ? "" : model + ": ") + (found.empty() ? "no vector extension known here" : found),
          ""};
#endif
}

std::string advice_for_registry(const Error& error, const std::filesystem::path& registry) {
  switch (error.code) {
    case ErrorCode::kVersion: return "Update MLXR";
    case ErrorCode::kNoSpace: return "Make room on the disk of " + registry.string();
    case ErrorCode::kCorrupt: return "Move " + registry.string() + " away and import the models again";
    default: return "Look at " + registry.string() + ", its folder and their permissions";
  }
}

void check_models(store::Store& store, std::vector<Finding>& findings) {
  auto models = store.list();
  if (!models)
    return findings.push_back({"models", Verdict::kBad, models.error().message, "Look at the registry's folder and its permissions"});
  if (models->empty())
    return findings.push_back({"models", Verdict::kGood, "none is here yet", "Get the starter model: mlx pull smollm2:135m"});
  for (const auto& model : *models) {
    auto checked = store.resolve(model.name);
    if (checked) {
      findings.push_back({"model " + model.name, Verdict::kGood, format_bytes(model.size) + ", unchanged", ""});
    } else {
      findings.push_back({"model " + model.name, Verdict::kBad, checked.error().message,
                          "Get it again: mlx rm " + model.name + ", then mlx pull or mlx import"});
    }
  }
}

// From /mlxr/status: {"kernels": {"variant", "warning", "fallbacks"}}.
Finding kernel_finding(const json& status) {
  const json kernels = status.value("kernels", json::object());
  const std::string variant = kernels.value("variant", "unknown");
  const std::string warning = kernels.contains("warning") && kernels["warning"].is_string() ? kernels["warning"].get<std::string>() : "";
  const auto fallbacks = kernels.value("fallbacks", std::uint64_t{0});
  Finding finding{"kernels", Verdict::kGood, variant + ", fallbacks to MLX: " + std::to_string(fallbacks), ""};
  if (!warning.empty()) {
    finding.verdict = Verdict::kWarning;
    finding.text += ": " + warning;
    finding.todo = "Answers are right and slow. Install MLXR again, or see MLXR_KERNELS in man mlxrunnerd";
  }
  return finding;
}

void check_daemon(const platform::Paths& paths, std::vector<Finding>& findings) {
  if (auto ready = ensure_daemon(paths); !ready) {
    findings.push_back({"daemon", Verdict::kBad, ready.error().message, "Start it in the foreground to see what is wrong: mlx serve"});
    return;
  }
  Client client(paths.socket);
  auto version = client.get("/api/version");
  findings.push_back({"daemon", Verdict::kGood, "answers, version " + (version ? version->value("version", "unknown") : "unknown"), ""});
  auto status = client.get("/mlxr/status");
  if (status) {
    findings.push_back(kernel_finding(*status));
  } else {
    findings.push_back({"kernels", Verdict::kBad, status.error().message, "Stop the daemon, mlx stop, and try again"});
  }
}

std::vector<Finding> examine() {
  std::vector<Finding> findings;
  auto paths = platform::Paths::from_environment();
  if (!paths) return {{"folders", Verdict::kBad, paths.error().message, "Set HOME, or MLXR_HOME, to a folder of yours"}};
  findings.push_back(check_folder("models", paths->models));
  findings.push_back(check_folder("cache", paths->cache));
  findings.push_back(check_folder("logs", paths->logs));
  findings.push_back(check_socket_folder(paths->socket));
  findings.push_back(check_space(paths->models));
  findings.push_back(check_processor());
  auto store = store::Store::open(*paths);
  if (store) {
    findings.push_back({"registry", Verdict::kGood, paths->registry.string(), ""});
    check_models(**store, findings);
  } else {
    findings.push_back({"registry", Verdict::kBad, store.error().message, advice_for_registry(store.error(), paths->registry)});
  }
  check_daemon(*paths, findings);
  return findings;
}

std::string verdict_name(Verdict verdict) { return verdict == Verdict::kGood ? "ok" : verdict == Verdict::kWarning ? "warning" : "wrong"; }

std::string line_of(const Finding& finding) {
  const Style style = finding.verdict == Verdict::kGood      ? Style::kGreen
                      : finding.verdict == Verdict::kWarning ? Style::kYellow
                                                             : Style::kRed;
  std::string verdict = verdict_name(finding.verdict);
  std::string line = styled(style, verdict) + std::string(9 - verdict.size(), ' ') + finding.subject + ": " + finding.text + "\n";
  if (!finding.todo.empty()) line += "         -> " + finding.todo + "\n";
  return line;
}

Status report(const std::vector<Finding>& findings, bool as_json) {
  std::size_t bad = 0;
  std::size_t warnings = 0;
  auto array = nlohmann::ordered_json::array();
  for (const Finding& finding : findings) {
    bad += finding.verdict == Verdict::kBad ? 1 : 0;
    warnings += finding.verdict == Verdict::kWarning ? 1 : 0;
    array.push_back(
        {{"subject", finding.subject}, {"verdict", verdict_name(finding.verdict)}, {"text", finding.text}, {"todo", finding.todo}});
    if (!as_json) write_out(line_of(finding));
  }
  if (as_json) {
    if (auto printed = print_json({{"findings", array}, {"ok", bad == 0}}); !printed) return printed;
    return bad == 0 ? Status{} : give_up(ExitCode::kFailure, "");
  }
  if (bad > 0)
    return give_up(ExitCode::kFailure, std::to_string(bad) + (bad == 1 ? " thing is" : " things are") + " wrong; what to do stands above.");
  write_out(warnings == 0 ? "All is well.\n" : "Nothing is wrong; what could be better stands above.\n");
  return {};
}

}  // namespace

void add_doctor(CLI::App& app, Action& action) {
  auto as_json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("doctor", "Examines the installation and says what to do about what is wrong.");
  command->add_flag("--json", *as_json, "As JSON");
  command->callback([&action, as_json] { action = [as_json] { return report(examine(), *as_json); }; });
}

}  // namespace mlxr::cli
