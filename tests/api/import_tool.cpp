// import_tool FILE NAME: registers a model where it lies, for the behaviour tests' daemon to find.
#include <cstdio>

#include "store/store.h"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const auto paths = mlxr::platform::Paths::from_environment();
  if (!paths) return std::fprintf(stderr, "%s\n", paths.error().message.c_str()), 1;
  const auto store = mlxr::store::Store::open(*paths);
  if (!store) return std::fprintf(stderr, "%s\n", store.error().message.c_str()), 1;
  const auto model = (*store)->import(argv[1], argv[2]);
  if (!model) return std::fprintf(stderr, "%s\n", model.error().message.c_str()), 1;
  return 0;
}
