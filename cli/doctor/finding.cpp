#include "cli/doctor/finding.h"

#include <nlohmann/json.hpp>

#include "cli/json_output.h"
#include "cli/terminal.h"

namespace mlxr::cli {
namespace {

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

}  // namespace

Status report(const Findings& findings, bool as_json) {
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
    return give_up(ExitCode::kFailure,
                   std::to_string(bad) + (bad == 1 ? " problem" : " problems") + " found; the lines marked -> say how to fix them.");
  write_out(warnings == 0 ? "All is well.\n" : "No problems, but see the warnings above.\n");
  return {};
}

}  // namespace mlxr::cli
