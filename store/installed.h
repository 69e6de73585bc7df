// The file of an installed model, and how a pull treats a model that is installed under the same name. A pull never reports success for a
// file other than the requested one.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <mlxrunner/result.h>

#include "platform/open_files.h"
#include "store/store.h"

namespace mlxr::store {

// What is wrong with the file of a model, as far as that shows without reading it: it is gone, or was copied in part. Empty if nothing is.
std::string trouble_of(const ModelRecord& model);
// Its files: one, all of its shards in order, or the model folder.
std::vector<std::filesystem::path> files_of(const ModelRecord& model);
// Opens what it is read from. Errors: those of formats::open_model_files; kNotFound says how to get the file again.
Result<platform::OpenFiles> open_files_of(const ModelRecord& model);

enum class Installed {
  kNo,       // not installed, or its file is missing: download
  kSame,     // the offered file is installed
  kRenewed,  // an older file of the same source: download, then replace
};

// Errors: kAlreadyExists (the name belongs to a file from another source; the message names both and the next step).
Result<Installed> compare_with_installed(const std::optional<ModelRecord>& installed, const Offer& offer);

// A source as the registry records it, without secrets: "https://host/folder/model.gguf", "hf:ORG/REPO@COMMIT/model.gguf", "pypi:…".
std::string recorded_source(const std::string& source);
// True if both refer to the same file of the same source, at any revision.
bool is_same_source(const std::string& recorded, const std::string& other);
// True if a reference to a repository (with the same quantization, if it names one), an address or a package refers to this model.
bool is_of_reference(const ModelRecord& record, const ModelRef& ref);
// The text of a reference for messages.
std::string without_secrets(const ModelRef& ref);

}  // namespace mlxr::store
