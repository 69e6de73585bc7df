#include "daemon/routes/messages.h"

#include <algorithm>
#include <cctype>

namespace mlxr::daemon {
namespace {

std::unexpected<ApiError> wrong(const std::string& name, const std::string& rule) {
  return std::unexpected(ApiError{.message = "\"" + name + "\" " + rule, .field = name, .code = "invalid_value"});
}

// Content is a string, or parts of type "text".
ApiResult<std::string> read_content(const json& content, const std::string& name) {
  if (content.is_null()) return std::string();
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) return wrong(name, "must be a string or an array of text parts.");
  static constexpr Field kPartFields[] = {{.name = "type", .type = FieldType::kString, .required = true},
                                          {.name = "text", .type = FieldType::kString, .required = true},
                                          unsupported("annotations"),
                                          advisory("cache_control")};
  std::string text;
  for (std::size_t i = 0; i < content.size(); ++i) {
    const auto part_name = name + "[" + std::to_string(i) + "]";
    const auto& part = content[i];
    if (!part.is_object()) return wrong(part_name, "must be an object.");
    if (const auto type = part.find("type"); type != part.end() && type->is_string() && *type != "text")
      return wrong(part_name + ".type", "is \"" + type->get<std::string>() + "\"; only text is supported.");
    if (auto checked = check_fields(part, kPartFields, part_name + "."); !checked) return std::unexpected(checked.error());
    text += part["text"].get<std::string>();
  }
  return text;
}

}  // namespace

ApiResult<json> read_messages(const json& messages) {
  static constexpr std::string_view kRoles[] = {"system", "developer", "user", "assistant"};
  static constexpr Field kFields[] = {
      {.name = "role", .type = FieldType::kString, .required = true},
      {.name = "content"},
      unsupported("name"),
      unsupported("images"),
      unsupported("thinking"),
      unsupported("tool_calls"),
      unsupported("tool_call_id"),
      unsupported("tool_name"),
      unsupported("function_call"),
      unsupported("refusal"),
      unsupported("audio"),
      unsupported("annotations"),
  };
  if (messages.empty()) return wrong("messages", "must hold at least one message.");
  json plain = json::array();
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const auto name = "messages[" + std::to_string(i) + "]";
    if (!messages[i].is_object()) return wrong(name, "must be an object.");
    if (auto checked = check_fields(messages[i], kFields, name + "."); !checked) return std::unexpected(checked.error());
    auto role = messages[i]["role"].get<std::string>();
    std::ranges::transform(role, role.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (std::ranges::find(kRoles, role) == std::end(kRoles)) return wrong(name + ".role", "must be system, developer, user or assistant.");
    if (!messages[i].contains("content") && role != "assistant")  // OpenAI's assistant messages may leave it out
      return std::unexpected(
          ApiError{.message = "\"" + name + ".content\" is missing.", .field = name + ".content", .code = "missing_required_parameter"});
    auto content = read_content(messages[i].value("content", json()), name + ".content");
    if (!content) return std::unexpected(content.error());
    // OpenAI's newer name for "system", which templates know.
    plain.push_back({{"role", role == "developer" ? "system" : role}, {"content", std::move(*content)}});
  }
  return plain;
}

Result<std::vector<TokenId>> render_messages(const Model& model, const json& messages) {
  const bool continues = messages.back()["role"] == "assistant";
  return model.render_chat(dump({{"messages", messages}, {"add_generation_prompt", true}}), {.continue_final_message = continues});
}

}  // namespace mlxr::daemon
