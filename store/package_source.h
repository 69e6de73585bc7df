// A file in a wheel of the Python package index.
#pragma once

#include <string>
#include <string_view>

#include <mlxrunner/result.h>

namespace mlxr::store {

// "pypi:NAME==VERSION#member/in/the/wheel", or with the wheel's hash: "pypi:NAME==VERSION;sha256=HEX#member/in/the/wheel"
struct PackageRef {
  std::string project, version;
  std::string sha256;  // of the wheel; may be empty
  std::string member;
  // Errors: kInvalidArgument (no version, no member, a member that leaves its archive).
  static Result<PackageRef> parse(std::string_view text);
  std::string requirement() const { return project + "==" + version; }
};

}  // namespace mlxr::store
