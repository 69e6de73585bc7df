// Reads what a model file says about itself, for `mlx list` and `mlx show`.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <mlxrunner/result.h>

#include "store/store.h"

namespace mlxr::store {

// Fills architecture, quantization, parameters, context_length and embedding_length of the record from its file, and the license if the
// record has none.
// Errors: those of formats::Checkpoint::open; those of models::check_runnable: the engine does not run it.
Result<void> read_details(ModelRecord& record);
// The same from files that are open.
Result<void> read_details(ModelRecord& record, const platform::OpenFiles& files);

// The chat template of a model; empty when it has none. Errors: those of formats::Checkpoint::open.
Result<std::string> read_chat_template(const platform::OpenFiles& files);

// The sampling options that the model's authors recommend, under the names of Ollama's options: {"temperature", "0.7"}. Errors: those of
// formats::Checkpoint::open.
struct NamedValue {
  std::string name, value;
};
Result<std::vector<NamedValue>> read_sampling(const platform::OpenFiles& files);

// The file in which a pull keeps the license's text: beside the model.
std::filesystem::path license_file(const std::filesystem::path& model);
// The text of that file; empty when there is none, and for imported models.
std::string read_license(const ModelRecord& record);

}  // namespace mlxr::store
