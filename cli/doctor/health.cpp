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
#include "cli/handshake.h"
#include "cli/interrupt.h"
#include "platform/paths.h"
#include "platform/version.h"
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
  // The processor features that decide about kernels, with Linux's names for them on x86-64 and arm64.
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
  return {"processor", Verdict::kGood, (model.empty() ? "" : model + ": ") + (found.empty() ? "no known vector extension" : found), ""};
#endif
}

std::string advice_for_registry(const Error& error, const std::filesystem::path& registry) {
  switch (error.code) {
    case ErrorCode::kVersion: return "Update MLXR";
    case ErrorCode::kNoSpace: return "Free space on the disk of " + registry.string();
    case ErrorCode::kCorrupt: return "Move " + registry.string() + " away and import the models again";
    default: return "Check the permissions of " + registry.string() + " and its folder";
  }
}

void check_models(store::Store& store, Findings& findings) {
  auto models = store.list();
  if (!models)
    return findings.push_back({"models", Verdict::kBad, models.error().message, "Check the registry's folder and its permissions"});
  if (models->empty())
    return findings.push_back({"models", Verdict::kGood, "none installed", "Download the starter model: mlx pull smollm2:135m"});
  for (const auto& model : *models) {
    auto checked = store.resolve_name(model.name, {.cancelled = &interrupted()});
    if (interrupted()) return;
    if (checked) {
      findings.push_back({"model " + model.name, Verdict::kGood, format_bytes(model.size) + ", unchanged", ""});
    } else {
      findings.push_back({"model " + model.name, Verdict::kBad, checked.error().message,
                          "Install it again: mlx rm " + model.name + ", then mlx pull or mlx import"});
    }
  }
}

void check_leftovers(store::Store& store, Findings& findings) {
  for (const auto& one : store.leftovers()) {
    const std::string size = format_bytes(one.size), remove = "mlx rm " + one.name;
    if (one.kind == store::Leftover::Kind::kUnfinished)
      findings.push_back(
          warning("download " + one.name, size + ", not finished", "Continue: mlx pull " + one.name + "; or remove it: " + remove));
    else
      findings.push_back(
          warning("quarantine", one.path.filename().string() + ", " + size + ", failed verification", "Remove it: " + remove));
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
    finding.todo = "Answers are correct but slow. Install MLXR again, or see MLXR_KERNELS in man mlxrunnerd";
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
    findings.push_back({"daemon", Verdict::kBad, ready.error().message, "Start it in the foreground to see the problem: mlx serve"});
    return;
  }
  auto status = Client(paths.socket).get("/mlxr/status");
  if (!status) return findings.push_back(bad("daemon", status.error().message, "Restart it: mlx stop"));
  const std::string text = "answers, version " + status->value("version", "unknown");
  findings.push_back(version_warning(*status).empty() ? good("daemon", text)
                                                      : warning("daemon", text + "; mlx is version " + kVersion, "Restart it: mlx stop"));
  findings.push_back(kernel_finding(*status));
  check_managed(*status, findings);
}

}  // namespace

Findings examine_health() {
  Findings findings;
  auto paths = client_paths();
  if (!paths) return {{"folders", Verdict::kBad, paths.error().message, "Set HOME or MLXR_HOME to a folder that you can write to"}};
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
    check_leftovers(**store, findings);
    if (interrupted()) return findings;
  } else {
    findings.push_back({"registry", Verdict::kBad, store.error().message, advice_for_registry(store.error(), paths->registry)});
  }
  check_daemon(*paths, findings);
  return findings;
}

}  // namespace mlxr::cli
