// A reference to a repository on the model hub (huggingface.co, or the server that HF_ENDPOINT names), and optionally to a file in it.
//
//   hf:ORG/REPO                     the revision main; MLXR chooses the quantization
//   hf:ORG/REPO:Q4_K_M              the file in this quantization
//   hf:ORG/REPO@REVISION:Q4_K_M     the same at a branch, tag or commit
//   hf:ORG/REPO/folder/file.gguf    this file
//
// Also understood: hf.co/… and huggingface.co/… instead of hf:, and the addresses of a repository's pages,
// https://huggingface.co/ORG/REPO[/tree/REVISION] and https://huggingface.co/ORG/REPO/{blob,resolve}/REVISION/file.gguf.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <mlxrunner/result.h>

namespace mlxr::store {

struct HubRef {
  std::string organization, repository;
  std::string revision = "main";
  std::string quantization;  // as written; empty when none was named
  std::string file;          // path in the repository; empty when none was named

  // Nothing if the text does not refer to the hub. Errors: kInvalidArgument (it does, but does not name a repository).
  static std::optional<Result<HubRef>> parse(std::string_view text);

  std::string to_string() const;        // the hf: form; parse() understands it
  std::string repository_page() const;  // the address of the repository, for people
  std::string file_address() const;     // where `file` is downloaded from
};

// The hub's address without a slash at its end: HF_ENDPOINT, or https://huggingface.co.
std::string hub_endpoint();
// The token that the hub's own tools use, from HF_TOKEN; empty when there is none.
std::string hub_token();

}  // namespace mlxr::store
