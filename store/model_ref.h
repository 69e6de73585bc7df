// Parses references to models. No other code decides whether a reference is a path.
//
//   smollm2:135m                         a name in the registry or the catalogue
//   hf:ORG/REPO, hf:ORG/REPO:Q4_K_M      a repository on the model hub; hf.co/ORG/REPO and the address of its page are the same
//   https://host/folder/model.gguf       an address
//   pypi:NAME==VERSION#member/in/wheel   a file in a Python package
//   ./model.gguf, folder/, model.gguf    a path
//
//   auto ref = ModelRef::parse(text, PathRule::kNever);     // over TCP
//   if (!ref) return fail(ref.error());
//   auto model = store.resolve(*ref);
#pragma once

#include <string>
#include <string_view>

#include <mlxrunner/result.h>

namespace mlxr::store {

// Which paths the caller may name.
enum class PathRule {
  kNever,     // TCP, and the page of the app
  kAbsolute,  // the Unix socket: the daemon's working folder is not the client's
  kAny,       // the command line
};

struct ModelRef {
  enum class Kind { kName, kHub, kAddress, kPackage, kPath };

  Kind kind = Kind::kName;
  std::string text;  // as written; for kHub always in the form hf:ORG/REPO[:QUANT]

  // Text with '/', text that ends in ".gguf", "." and ".." are paths, unless they are an address or a repository.
  // Errors: kInvalidArgument (empty; control characters; a scheme that is not understood; a path that `paths` does not allow).
  static Result<ModelRef> parse(std::string_view text, PathRule paths);
};

}  // namespace mlxr::store
