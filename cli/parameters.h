// The parameters of an answer, set by options of `mlx run` and by /set in a chat. The daemon chooses those that are not set.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>
#include <nlohmann/json_fwd.hpp>

namespace mlxr::cli {

struct ParameterSpec {
  std::string_view name;      // "top_k": for /set; the option is --top-k
  std::string_view api_name;  // "top_k", "num_predict": in the daemon's options
  bool whole;                 // a whole number
  double least;
  double most;
  std::string_view help;
};

// All numeric parameters.
std::span<const ParameterSpec> parameter_specs();

struct Parameters {
  std::map<std::string, double, std::less<>> numbers;  // by ParameterSpec::name
  std::vector<std::string> stop;
  std::string system;

  // Sets a parameter from text. `system` takes the whole text, `stop` adds one string and with no text removes all.
  // Errors: kInvalidArgument (no such parameter, not a number, out of range; the sentence says what is possible).
  Result<void> set(std::string_view name, std::string_view value);
};

// The daemon's `options` object.
nlohmann::json to_options(const Parameters& parameters);

}  // namespace mlxr::cli
