#include "daemon/routes/ollama/common.h"

namespace mlxr::daemon::ollama {

std::vector<Field> with_common_fields(std::initializer_list<Field> own) {
  std::vector<Field> fields = {
      {.name = "model", .type = FieldType::kString, .required = true},
      {.name = "stream", .type = FieldType::kBoolean},
      {.name = "keep_alive"},
      {.name = "options", .type = FieldType::kObject},
      {.name = "logprobs", .type = FieldType::kBoolean},
      {.name = "top_logprobs", .type = FieldType::kInteger, .low = 0, .high = 20},
      unsupported("format"),
      unsupported("think"),
      advisory("truncate"),  // these two allow prompts to be cut, which MLXR never does
      advisory("shift"),
      unsupported("_debug_render_only"),
  };
  fields.insert(fields.end(), own);
  return fields;
}

ApiResult<Call> read_call(const Request& request, std::span<const Field> fields) {
  Call call{.began = std::chrono::steady_clock::now()};
  auto body = parse_object(request.body);
  if (!body) return std::unexpected(body.error());
  if (auto checked = check_fields(*body, fields); !checked) return std::unexpected(checked.error());
  auto options = read_options(get<json>(*body, "options").value_or(json::object()));
  if (!options) return std::unexpected(options.error());
  const auto keep_alive = read_keep_alive(*body);
  if (!keep_alive) return std::unexpected(keep_alive.error());
  if (auto tools = read_tools(*body, options->warnings); !tools) return std::unexpected(tools.error());
  const auto top_logprobs = read_logprobs(*body);
  if (!top_logprobs) return std::unexpected(top_logprobs.error());
  options->request.top_logprobs = *top_logprobs;

  call.model = (*body)["model"].get<std::string>();
  call.acquire = {.keep_alive = *keep_alive, .context = options->context, .allow_paths = request.transport == Transport::kUnixSocket};
  call.stream = get<bool>(*body, "stream").value_or(true);
  call.options = std::move(*options);
  call.body = std::move(*body);
  return call;
}

ApiResult<Named> read_named(const Request& request, std::span<const Field> fields) {
  auto body = parse_object(request.body);
  if (!body) return std::unexpected(body.error());
  if (auto checked = check_fields(*body, fields); !checked) return std::unexpected(checked.error());
  auto name = get<std::string>(*body, "model").value_or(get<std::string>(*body, "name").value_or(""));
  if (name.empty())
    return std::unexpected(ApiError{.message = "\"model\" is missing.", .field = "model", .code = "missing_required_parameter"});
  return Named{std::move(*body), std::move(name)};
}

}  // namespace mlxr::daemon::ollama
