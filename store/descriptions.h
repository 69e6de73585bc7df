// The descriptions of an offer's files: what stands before the weights, fetched before the download.
#pragma once

#include <filesystem>

#include <mlxrunner/result.h>

#include "store/store.h"

namespace mlxr::store {

// Writes a file for each of the offer's into `folder`, with its name and size: the bytes up to the weights, and then a hole. Returns the
// first. Of the options, allow_plain_http and cancelled count.
// Errors: kUnsupported (the size is unknown, or the source has whole files only), kCorrupt (no GGUF file), those of the network, kIo.
Result<std::filesystem::path> fetch_descriptions(const Offer& offer, const std::filesystem::path& folder, const PullOptions& options);

}  // namespace mlxr::store
