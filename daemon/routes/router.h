// Finds the handler of a request. A path ends in "{}" where one segment is free, handed to the route as its argument.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/transport/http.h"

namespace mlxr::daemon {

class Router {
 public:
  using Route = std::function<void(const Request&, const std::string& argument, Responder&)>;

  // A GET route also answers HEAD.
  void add(std::string_view method, std::string_view path, Route route);
  // Runs the route, or answers 404, or 405 with Allow.
  void handle(const Request& request, Responder& out) const;

 private:
  struct Entry {
    std::string method, path;
    Route route;
  };
  std::vector<Entry> entries_;
};

}  // namespace mlxr::daemon
