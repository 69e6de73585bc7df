#if defined(__APPLE__)
#include <sys/sysctl.h>
#endif

#include <array>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/client.h"
#include "cli/daemon_process.h"
#include "cli/doctor/examine.h"
#include "cli/doctor/folders.h"
#include "cli/format.h"
#include "platform/paths.h"
#include "store/store.h"

namespace mlxr::cli {
namespace {

using nlohmann::json;

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

void check_models(store::Store& store, Findings& findings) {
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

// From /mlxr/status: {"settings": [{"name", "value", "origin", "managed"}]}.
void check_managed(const json& status, Findings& findings) {
  std::string settings;
  std::string by;
  for (const json& one : status.value("settings", json::array())) {
    if (!one.value("managed", false)) continue;
    settings += (settings.empty() ? "" : ", ") + one.value("name", "") + ": " + one.value("value", "");
    by = one.value("origin", "");
  }
  if (!settings.empty()) findings.push_back(good("managed settings", settings + ", by " + by));
}

void check_daemon(const platform::Paths& paths, Findings& findings) {
  if (auto ready = ensure_daemon(paths); !ready) {
    findings.push_back({"daemon", Verdict::kBad, ready.error().message, "Start it in the foreground to see what is wrong: mlx serve"});
    return;
  }
  Client client(paths.socket);
  auto version = client.get("/api/version");
  findings.push_back(
      {"daemon", Verdict::kGood, "answers, version " + (version ? version->value("mlxr_version", "unknown") : "unknown"), ""});
  auto status = client.get("/mlxr/status");
  if (status) {
    findings.push_back(kernel_finding(*status));
    check_managed(*status, findings);
  } else {
    findings.push_back({"kernels", Verdict::kBad, status.error().message, "Stop the daemon, mlx stop, and try again"});
  }
}

}  // namespace

Findings examine_health() {
  Findings findings;
  auto paths = client_paths();
  if (!paths) return {{"folders", Verdict::kBad, paths.error().message, "Set HOME, or MLXR_HOME, to a folder of yours"}};
  findings.push_back(check_folder("models", paths->models));
  findings.push_back(check_folder("cache", paths->cache));
  findings.push_back(check_folder("logs", paths->logs));
  findings.push_back(check_socket(paths->socket));
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

}  // namespace mlxr::cli
