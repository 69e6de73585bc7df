#include "cli/json_output.h"

#include <nlohmann/json.hpp>

#include "cli/terminal.h"

namespace mlxr::cli {

Status print_json(const nlohmann::ordered_json& value) {
  write_out_raw(value.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
  return {};
}

}  // namespace mlxr::cli
