// Downloading a model with its license shown first; used by `mlx pull` and `mlx run`.
#pragma once

#include <string>
#include <string_view>

#include "cli/failure.h"
#include "store/store.h"

namespace mlxr::cli {

struct PullWishes {
  std::string name;             // to install under; empty: the source's own
  bool accept_license = false;  // for scripts
  bool insecure = false;        // plain HTTP from other machines
};

// Shows the license, asks on a terminal if it has to be accepted, then downloads with progress on stderr.
// Failures: kLicense (not accepted; says how), and those of Store::offer and Store::pull.
Outcome<store::ModelRecord> pull_model(store::Store& store, std::string_view text, const PullWishes& wishes = {});

// Recommends models by memory, and says how to get them. Printed after the starter model's first answer and by `mlx list --available`.
std::string next_models_hint();

}  // namespace mlxr::cli
