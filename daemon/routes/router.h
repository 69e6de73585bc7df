// Finds the route of a request. A path that ends in "{}" matches any rest, including slashes, and passes it to the route as its argument.
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

  // A GET route also answers HEAD. A quick route never waits for a model or a download.
  void add(std::string_view method, std::string_view path, Route route);
  void add_quick(std::string_view method, std::string_view path, Route route);
  // True if the request is for a quick route, or for no route.
  bool is_quick(const Request& request) const;
  // Runs the route, or answers 404, or 405 with Allow.
  void handle(const Request& request, Responder& out) const;

 private:
  struct Entry {
    std::string method, path;
    Route route;
    bool is_quick = false;
  };
  std::vector<Entry> entries_;
};

}  // namespace mlxr::daemon
