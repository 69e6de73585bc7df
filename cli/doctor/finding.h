// The findings of `mlx doctor` and `mlx doctor --install`, one line each, and how they are printed.
#pragma once

#include <string>
#include <vector>

#include "cli/failure.h"

namespace mlxr::cli {

enum class Verdict { kGood, kWarning, kBad };

struct Finding {
  std::string subject;
  Verdict verdict = Verdict::kGood;
  std::string text;  // what was found
  std::string todo;  // how to fix it; empty when there is nothing to do
};

using Findings = std::vector<Finding>;

inline Finding good(std::string subject, std::string text, std::string todo = "") {
  return {std::move(subject), Verdict::kGood, std::move(text), std::move(todo)};
}
inline Finding warning(std::string subject, std::string text, std::string todo) {
  return {std::move(subject), Verdict::kWarning, std::move(text), std::move(todo)};
}
inline Finding bad(std::string subject, std::string text, std::string todo) {
  return {std::move(subject), Verdict::kBad, std::move(text), std::move(todo)};
}

// Prints them, for people or as JSON. Failures: kFailure when one is bad.
Status report(const Findings& findings, bool as_json);

}  // namespace mlxr::cli
