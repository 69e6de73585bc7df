// Reads a repository on the model hub and chooses one of its files. The hub's JSON API has the size and SHA-256 of each file before it is
// downloaded.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>

#include "store/hub_ref.h"

namespace mlxr::store {

struct HubFile {
  std::string path;                  // in the repository
  std::string quantization;          // "Q4_K_M", "UD-Q4_K_XL", "F16", from its name; empty when the name does not tell
  std::uint64_t size = 0;            // bytes; of a split model, of all its shards
  std::string sha256;                // of a split model, its digest_of(); empty when the hub does not say
  std::vector<HubFile> shards = {};  // of a split model, whose `path` is that of the first; empty: the model is one file
  std::string missing_shard = {};    // of a split model, one that the repository lacks
};

struct HubRepository {
  std::string commit;        // the commit that was read
  std::string license;       // "apache-2.0"; empty when the card does not say
  std::string license_url;   // may be empty
  std::string architecture;  // of its GGUF files; empty when the hub does not say
  bool is_gated = false;     // its terms have to be accepted on the hub, with an account
  // Its models: the .gguf files except projectors; a split model is one.
  std::vector<HubFile> files;
};

// Errors: kNotFound (no such repository or revision, or a private one), kPermission, kNetwork, kCorrupt (an answer in an unknown form),
// kCancelled.
Result<HubRepository> read_hub(const HubRef& ref, const std::atomic<bool>* cancelled);

// The file that `ref` refers to. Without a quantization: the only model file, or Q4_K_M, or the first that exists of similar types.
// Errors: kNotFound (the message lists the existing files), kUnsupported (a shard of the model is missing).
Result<HubFile> choose_hub_file(const HubRef& ref, const HubRepository& repository);

// "Q4_K_M" for "model-Q4_K_M.gguf"; empty if the name does not contain it.
std::string quantization_of(std::string_view file_name);

}  // namespace mlxr::store
