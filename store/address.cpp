#include "store/address.h"

#include <algorithm>
#include <cctype>
#include <memory>

#include <curl/curl.h>

#include "store/names.h"

namespace mlxr::store {
namespace {

using Url = std::unique_ptr<CURLU, void (*)(CURLU*)>;

std::string part_of(const Url& url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url.get(), part, &text, flags) != CURLUE_OK) return {};
  std::string out(text);
  curl_free(text);
  return out;
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

Result<Address> Address::parse(std::string_view text) {
  Address a;
  a.whole_ = text;
  const Url url(curl_url(), curl_url_cleanup);
  const bool is_url = url && is_address(text) && curl_url_set(url.get(), CURLUPART_URL, a.whole_.c_str(), 0) == CURLUE_OK;
  a.host_ = is_url ? lower(part_of(url, CURLUPART_HOST)) : "";
  // The address is not quoted, because an invalid one may contain a password.
  if (a.host_.empty()) return fail(ErrorCode::kInvalidArgument, "The address is not valid. Write it like https://host/folder/model.gguf.");
  const auto port = part_of(url, CURLUPART_PORT);
  a.origin_ = part_of(url, CURLUPART_SCHEME) + "://" + a.host_ + (port.empty() ? "" : ":" + port);
  a.shown_ = a.origin_ + part_of(url, CURLUPART_PATH);
  return a;
}

Result<Address> Address::resolve(std::string_view reference) const {
  const Url url(curl_url(), curl_url_cleanup);
  const std::string target(reference);
  if (!url || curl_url_set(url.get(), CURLUPART_URL, whole_.c_str(), 0) != CURLUE_OK ||
      curl_url_set(url.get(), CURLUPART_URL, target.c_str(), 0) != CURLUE_OK)
    return fail(ErrorCode::kNetwork, "The page " + shown_ + " names an address that is not valid.");
  return parse(part_of(url, CURLUPART_URL));
}

std::string Address::file_name() const { return shown_.substr(shown_.rfind('/') + 1); }

bool Address::is_loopback() const {
  const bool is_number = host_.find_first_not_of("0123456789.") == std::string::npos;
  return host_ == "localhost" || host_ == "[::1]" || (is_number && host_.starts_with("127."));
}

}  // namespace mlxr::store
