#include "cli/parameters.h"

#include <array>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "cli/format.h"

namespace mlxr::cli {
namespace {

constexpr double kMaxSeed = 9007199254740991.0;  // the whole numbers that a double holds exactly

constexpr std::array<ParameterSpec, 7> kSpecs{{
    {"temperature", "temperature", false, 0, 2, "Randomness from 0 (none) to 2"},
    {"top_k", "top_k", true, 0, 1000000, "Choose among the N most likely tokens; 0 means all"},
    {"top_p", "top_p", false, 0, 1, "Choose among the most likely tokens whose probabilities add up to N (0 to 1)"},
    {"min_p", "min_p", false, 0, 1, "Exclude tokens less likely than N times the most likely one (0 to 1)"},
    {"seed", "seed", true, 0, kMaxSeed, "Random seed; the same seed gives the same text"},
    {"max_tokens", "num_predict", true, 1, 1000000000, "Stop after N tokens"},
    {"ctx", "num_ctx", true, 1, 1000000000, "Size of the context window in tokens"},
}};

std::string as_text(double value, bool whole) {
  if (whole) return format_fixed(value, 0);
  std::string text = format_fixed(value, 6);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

}  // namespace

std::span<const ParameterSpec> parameter_specs() { return kSpecs; }

Result<void> Parameters::set(std::string_view name, std::string_view value) {
  if (name == "system") {
    system = value;
    return {};
  }
  if (name == "stop") {
    if (value.empty()) {
      stop.clear();
    } else {
      stop.emplace_back(value);
    }
    return {};
  }
  for (const ParameterSpec& spec : kSpecs) {
    if (spec.name != name) continue;
    const std::string text(value);
    char* end = nullptr;
    const double number = std::strtod(text.c_str(), &end);
    const bool parsed = !text.empty() && *end == '\0' && std::isfinite(number);
    if (!parsed || number < spec.least || number > spec.most || (spec.whole && number != std::floor(number))) {
      return fail(ErrorCode::kInvalidArgument, "'" + text + "' is not a " + (spec.whole ? "whole " : "") + "number from " +
                                                   as_text(spec.least, spec.whole) + " to " + as_text(spec.most, spec.whole) + ".");
    }
    numbers[std::string(name)] = number;
    return {};
  }
  std::string known = "system, stop";
  for (const ParameterSpec& spec : kSpecs) known += ", " + std::string(spec.name);
  return fail(ErrorCode::kInvalidArgument, "Unknown parameter. Parameters: " + known + ".");
}

nlohmann::json to_options(const Parameters& parameters) {
  auto options = nlohmann::json::object();
  for (const ParameterSpec& spec : kSpecs) {
    const auto found = parameters.numbers.find(spec.name);
    if (found == parameters.numbers.end()) continue;
    if (spec.whole) {
      options[std::string(spec.api_name)] = static_cast<std::int64_t>(found->second);
    } else {
      options[std::string(spec.api_name)] = found->second;
    }
  }
  if (!parameters.stop.empty()) options["stop"] = parameters.stop;
  return options;
}

}  // namespace mlxr::cli
