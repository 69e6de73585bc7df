#include "store/curl.h"

namespace mlxr::store {

Curl::Curl() : why_(std::make_unique<char[]>(CURL_ERROR_SIZE)) {
  static const CURLcode initialized = curl_global_init(CURL_GLOBAL_DEFAULT);
  code_ = initialized;
  if (code_ == CURLE_OK) handle_.reset(curl_easy_init());
  if (!handle_) code_ = CURLE_FAILED_INIT;
  set(CURLOPT_ERRORBUFFER, why_.get());
  set(CURLOPT_NOSIGNAL, 1L);
}

Curl& Curl::add_header(const std::string& line) {
  curl_slist* const longer = curl_slist_append(headers_.get(), line.c_str());
  if (longer == nullptr) {
    code_ = CURLE_OUT_OF_MEMORY;
    return *this;
  }
  if (!headers_) headers_.reset(longer);
  return set(CURLOPT_HTTPHEADER, headers_.get());
}

Result<void> Curl::ready() const {
  if (code_ == CURLE_OK) return {};
  return fail(ErrorCode::kInternal, std::string("libcurl ") + curl_version_info(CURLVERSION_NOW)->version +
                                        " cannot be used: " + curl_easy_strerror(code_) + ".");
}

CURLcode Curl::perform() {
  why_[0] = '\0';
  return curl_easy_perform(handle_.get());
}

std::string Curl::reason(CURLcode code) const { return why_[0] != '\0' ? why_.get() : curl_easy_strerror(code); }

}  // namespace mlxr::store
