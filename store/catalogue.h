// The models that MLXR knows by name: sources, SHA-256 and license. The built-in entries are in catalogue.tsv and licenses.tsv, which are
// compiled in.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>

namespace mlxr::store {

// False where models of an architecture make embeddings only.
bool writes_text(std::string_view architecture);

struct CatalogueEntry {
  std::string name;             // "smollm2:135m"
  std::string publisher;        // "QuantFactory": who publishes the file
  std::string title;            // "SmolLM2 135M Instruct"
  std::string description;      // may be empty
  std::string license;          // "Apache-2.0", "Gemma Terms of Use"; empty when unknown
  std::string license_url;      // the text, or the page where the publisher names the license
  std::string license_summary;  // a few lines for people, shown before the download
  std::string architecture;     // "llama"; empty when unknown
  std::string file;             // "SmolLM2-135M-Instruct.Q4_1.gguf"
  std::uint64_t size = 0;       // bytes of the file; 0: the server says
  std::uint64_t about = 0;      // bytes of the download, rounded
  std::uint64_t memory = 0;     // bytes of memory it takes to run, rounded
  std::string sha256;           // of the file
  // Sources of the same file, the best first; the parts of each are joined in order (store/source.h).
  std::vector<std::vector<std::string>> sources;
  std::string license_source;  // source of the license's text, which is kept beside the model; may be empty

  // Whether the engine supports the architecture. Entries that it does not support are only listed.
  bool runs() const;
  bool writes_text() const { return store::writes_text(architecture); }
};

// The built-in entries, then those of the JSON file that MLXR_CATALOGUE names (a team's own models): {"models": [{"name": …, "publisher":
// …, "file": …, "size": …, "sha256": …, "sources": [ … ], "license": …, "license_url": …, …}]}, the fields as above; "sources" may also be
// one list of parts. Read once per process; the entries live as long as the process.
std::span<const CatalogueEntry> catalogue();
// The error of the file that MLXR_CATALOGUE names, if it has one. Store::open reports it.
Result<void> catalogue_state();
// "smollm2:135m", or "smollm2" if the family has only one entry. nullptr if there is none.
const CatalogueEntry* find_in_catalogue(std::string_view name);
// The entries of a family: "qwen3" gives qwen3:4b, qwen3:8b and others. Empty when there is none.
std::vector<const CatalogueEntry*> catalogue_family(std::string_view family);

// Parses a table in the format of catalogue.tsv. Errors: kInvalidArgument (the message names the line).
Result<std::vector<CatalogueEntry>> parse_catalogue(std::string_view entries, std::string_view licenses);

}  // namespace mlxr::store
