#include "cli/open_store.h"

#include "platform/paths.h"

namespace mlxr::cli {

Outcome<std::unique_ptr<store::Store>> open_store() {
  auto paths = platform::Paths::from_environment();
  if (!paths) return give_up(paths.error());
  auto store = store::Store::open(*paths);
  if (!store) return give_up(store.error());
  return std::move(*store);
}

}  // namespace mlxr::cli
