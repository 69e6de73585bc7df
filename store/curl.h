// A libcurl handle that owns its resources and checks its options: an option that the installed libcurl does not support is an error
// instead of being ignored.
//
//   Curl curl;
//   curl.set(CURLOPT_URL, url.c_str()).set(CURLOPT_NOSIGNAL, 1L).add_header("Range: bytes=10-");
//   if (auto ok = curl.ready(); !ok) return ok;
//   const CURLcode code = curl.perform();
//
// A Curl belongs to one thread.
#pragma once

#include <memory>
#include <string>

#include <curl/curl.h>

#include <mlxrunner/result.h>

namespace mlxr::store {

class Curl {
 public:
  Curl();

  template <typename Value>
  Curl& set(CURLoption option, Value value) {
    if (code_ == CURLE_OK) code_ = curl_easy_setopt(handle_.get(), option, value);
    return *this;
  }
  Curl& add_header(const std::string& line);

  // Errors: kInternal (libcurl cannot be initialized, or refused one of the options).
  Result<void> ready() const;
  CURLcode perform();
  std::string reason(CURLcode code) const;  // what went wrong, in libcurl's words
  CURL* handle() const { return handle_.get(); }

 private:
  struct Closer {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  };
  // libcurl writes into it for as long as the handle lives, so it does not move with the Curl.
  std::unique_ptr<char[]> why_;
  std::unique_ptr<curl_slist, Closer> headers_;
  std::unique_ptr<CURL, Closer> handle_;
  CURLcode code_ = CURLE_OK;
};

}  // namespace mlxr::store
