// Getting a model with its licence shown first; used by `mlx pull` and `mlx run`.
#pragma once

#include <string>
#include <string_view>

#include "cli/failure.h"
#include "store/store.h"

namespace mlxr::cli {

// Shows the licence of a catalogue entry unless it was accepted before, asks on a terminal, then downloads with progress on stderr.
// Failures: kLicense (not accepted; says how), and those of Store::pull.
Outcome<store::ModelRecord> pull_model(store::Store& store, std::string_view name, bool accept_license);

// Which models to get for real work, by memory, and how: printed after the starter model's first answer and by `mlx list --available`.
std::string next_models_hint();

}  // namespace mlxr::cli
