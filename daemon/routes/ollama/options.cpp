#include "daemon/routes/ollama/options.h"

#include <algorithm>

namespace mlxr::daemon::ollama {
namespace {

constexpr Field kFields[] = {
    {.name = "temperature", .type = FieldType::kNumber, .low = 0, .high = 100},
    {.name = "top_k", .type = FieldType::kInteger, .low = -1},
    {.name = "top_p", .type = FieldType::kNumber, .low = 0, .high = 1},
    {.name = "min_p", .type = FieldType::kNumber, .low = 0, .high = 1},
    {.name = "typical_p", .type = FieldType::kNumber},
    {.name = "repeat_penalty", .type = FieldType::kNumber, .low = 0.01, .high = 100},
    {.name = "repeat_last_n", .type = FieldType::kInteger, .low = -1},
    {.name = "presence_penalty", .type = FieldType::kNumber, .low = -100, .high = 100},
    {.name = "frequency_penalty", .type = FieldType::kNumber, .low = -100, .high = 100},
    {.name = "seed", .type = FieldType::kInteger},
    {.name = "num_predict", .type = FieldType::kInteger, .low = -2},
    {.name = "num_ctx", .type = FieldType::kInteger, .low = -1},
    {.name = "stop"},
    // How Ollama distributes a model over the hardware, which MLXR decides itself. Their types are still checked.
    {.name = "num_keep", .type = FieldType::kInteger},
    {.name = "num_batch", .type = FieldType::kInteger},
    {.name = "num_gpu", .type = FieldType::kInteger},
    {.name = "main_gpu", .type = FieldType::kInteger},
    {.name = "num_thread", .type = FieldType::kInteger},
    {.name = "draft_num_predict", .type = FieldType::kInteger},
    {.name = "use_mmap", .type = FieldType::kBoolean},
};
constexpr std::string_view kWithoutEffect[] = {"num_keep",   "num_batch",         "num_gpu", "main_gpu",
                                               "num_thread", "draft_num_predict", "use_mmap"};

// Ollama's message, which its clients look for.
ApiError in_ollamas_words(ApiError error) {
  if (error.code == "invalid_type") error.message.replace(0, 0, "option ").pop_back();
  return error;
}

}  // namespace

ApiResult<Options> read_options(const json& options) {
  Options result;
  auto known = json::object();
  for (const auto& [name, value] : options.items()) {
    if (std::ranges::find(kFields, std::string_view(name), &Field::name) == std::end(kFields)) {
      result.warnings.push_back("unknown option " + name);
      continue;
    }
    if (std::ranges::find(kWithoutEffect, std::string_view(name)) != std::end(kWithoutEffect))
      result.warnings.push_back("option " + name + " has no effect in MLXR");
    known[name] = value;
  }
  if (auto checked = check_fields(known, kFields); !checked) return std::unexpected(in_ollamas_words(checked.error()));
  if (get<double>(known, "typical_p").value_or(1) != 1)
    return std::unexpected(ApiError{
        .message = "option \"typical_p\" is not supported by MLXR, except as 1.", .field = "typical_p", .code = "unsupported_parameter"});

  auto& sampling = result.request.sampling;  // the engine's defaults are Ollama's
  auto& asked = result.asked;
  asked = {.temperature = get<float>(known, "temperature"),
           .top_k = get_limited_int(known, "top_k"),
           .top_p = get<float>(known, "top_p"),
           .min_p = get<float>(known, "min_p"),
           .repeat_penalty = get<float>(known, "repeat_penalty"),
           .repeat_last_n = get_limited_int(known, "repeat_last_n")};
  take_advice(asked, {}, sampling);
  sampling.presence_penalty = get<float>(known, "presence_penalty").value_or(0.0f);
  sampling.frequency_penalty = get<float>(known, "frequency_penalty").value_or(0.0f);
  sampling.seed = read_seed(known);
  // Ollama's rule: 0 or less means no limit.
  const int num_predict = get_limited_int(known, "num_predict").value_or(-1);
  result.request.max_tokens = num_predict > 0 ? num_predict : -1;
  result.context = std::max(0, get_limited_int(known, "num_ctx").value_or(0));
  auto stop = read_stop(known.value("stop", json(nullptr)), "stop");
  if (!stop) return std::unexpected(stop.error());
  result.request.stop = std::move(*stop);
  return result;
}

ApiResult<std::optional<Duration>> read_keep_alive(const json& body) {
  const auto found = body.find("keep_alive");
  if (found == body.end() || found->is_null()) return std::nullopt;
  if (found->is_number()) return duration_of_seconds(found->get<double>());
  const auto duration = found->is_string() ? parse_duration(found->get_ref<const std::string&>()) : std::nullopt;
  if (!duration)
    return std::unexpected(ApiError{.message = "\"keep_alive\" must be a number of seconds or a duration such as \"5m\".",
                                    .field = "keep_alive",
                                    .code = "invalid_value"});
  return duration;
}

}  // namespace mlxr::daemon::ollama
