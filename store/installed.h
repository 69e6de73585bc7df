// What a pull does about a model that is installed under the same name. Success is never reported for another file than the one that was
// asked for.
#pragma once

#include <optional>

#include <mlxrunner/result.h>

#include "store/store.h"

namespace mlxr::store {

enum class Installed {
  kNo,       // nothing, or its file is gone: download
  kSame,     // the file that is offered
  kRenewed,  // an older file of the same source: download, then replace
};

// Errors: kAlreadyExists (the name belongs to a file from elsewhere; the sentence names both and the way out).
Result<Installed> compare_with_installed(const std::optional<ModelRecord>& installed, const Offer& offer);

// What the registry records of a source, without secrets: "https://host/folder/model.gguf", "hf:ORG/REPO@COMMIT/model.gguf", "pypi:…".
std::string recorded_source(const std::string& source);
// True when both texts mean the same file of the same place, at whatever revision.
bool is_same_source(const std::string& recorded, const std::string& other);
// True for the model that a repository (with the same quantization, where one is named), an address or a package means.
bool is_of_reference(const ModelRecord& record, const ModelRef& ref);
// The text of a reference for messages.
std::string without_secrets(const ModelRef& ref);

}  // namespace mlxr::store
