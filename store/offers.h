// Turns a reference into an Offer: looks it up in the catalogue, or asks the hub or the server of an address.
#pragma once

#include <mlxrunner/result.h>

#include "store/address.h"
#include "store/catalogue.h"
#include "store/hub_ref.h"
#include "store/model_ref.h"
#include "store/package_source.h"
#include "store/store.h"

namespace mlxr::store {

Result<Offer> catalogue_offer(const CatalogueEntry& entry);
Result<Offer> hub_offer(const HubRef& ref, const PullOptions& options);
Result<Offer> address_offer(const Address& address, const PullOptions& options);
Result<Offer> package_offer(const PackageRef& ref);

// Errors: kNotFound (the name is not in the catalogue; the message suggests alternatives), kInvalidArgument (a path, or an address
// that does not end in a file name), those of the network.
Result<Offer> make_offer(const ModelRef& ref, const PullOptions& options);

}  // namespace mlxr::store
