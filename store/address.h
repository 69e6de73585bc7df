// An HTTP or HTTPS address, split so that its secrets do not get into messages, the state of a download or the registry.
#pragma once

#include <string>
#include <string_view>

#include <mlxrunner/result.h>

namespace mlxr::store {

class Address {
 public:
  // Errors: kInvalidArgument (no http:// or https:// address).
  static Result<Address> parse(std::string_view text);
  // Resolves a reference on a page at this address: "../x.whl", "/x.whl", "https://other/x.whl".
  Result<Address> resolve(std::string_view reference) const;

  const std::string& whole() const { return whole_; }    // with user, password and query: for the request only, never for a message
  const std::string& shown() const { return shown_; }    // without user, password, query and fragment
  const std::string& origin() const { return origin_; }  // "https://host:port"
  const std::string& host() const { return host_; }
  std::string file_name() const;  // the last component of the path, as written
  bool is_https() const { return origin_.starts_with("https://"); }
  bool is_loopback() const;  // 127.0.0.0/8, ::1 or localhost

 private:
  std::string whole_, shown_, origin_, host_;
};

}  // namespace mlxr::store
