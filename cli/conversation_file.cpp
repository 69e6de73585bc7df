#include "cli/conversation_file.h"

#include <cstdint>
#include <nlohmann/json.hpp>

#include "platform/files.h"

namespace mlxr::cli {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr char kFormat[] = "mlxr_conversation";
constexpr int kVersionOfFormat = 1;
constexpr std::uint64_t kLongestFile = 256UL * 1024 * 1024;

ordered_json to_json(const Conversation& conversation) {
  auto parameters = ordered_json::object();
  for (const auto& [name, value] : conversation.parameters.numbers) parameters[name] = value;
  if (!conversation.parameters.system.empty()) parameters["system"] = conversation.parameters.system;
  if (!conversation.parameters.stop.empty()) parameters["stop"] = conversation.parameters.stop;
  auto messages = ordered_json::array();
  for (const ChatMessage& message : conversation.messages) messages.push_back({{"role", message.role}, {"content", message.content}});
  return {{kFormat, kVersionOfFormat}, {"model", conversation.model}, {"parameters", parameters}, {"messages", messages}};
}

// Everything is checked: the file may have been edited.
bool read_parameters(const json& from, Parameters& parameters) {
  for (const auto& [name, value] : from.items()) {
    if (name == "stop" && value.is_array()) {
      for (const json& text : value) {
        if (!text.is_string() || !parameters.set(name, text.get<std::string>())) return false;
      }
    } else if (!parameters.set(name, value.is_string() ? value.get<std::string>() : value.dump())) {
      return false;
    }
  }
  return true;
}

bool read_messages(const json& from, std::vector<ChatMessage>& messages) {
  for (const json& one : from) {
    if (!one.is_object() || !one.contains("role") || !one.contains("content") || !one["role"].is_string() || !one["content"].is_string())
      return false;
    messages.push_back({one["role"].get<std::string>(), one["content"].get<std::string>()});
    if (messages.back().role != "user" && messages.back().role != "assistant") return false;
  }
  return true;
}

}  // namespace

Result<void> save_conversation(const Conversation& conversation, const std::filesystem::path& file) {
  std::error_code failed;
  if (std::filesystem::exists(file, failed) && !load_conversation(file))
    return fail(ErrorCode::kAlreadyExists, file.string() + " exists and is not a saved conversation. Choose another name.");
  return platform::write_file_atomically(file, to_json(conversation).dump(2, ' ', false, json::error_handler_t::replace) + "\n", 0600);
}

Result<Conversation> load_conversation(const std::filesystem::path& file) {
  const auto text = platform::read_file(file, kLongestFile);
  if (!text) return fail(text.error());
  const json saved = json::parse(*text, nullptr, false);
  Conversation conversation;
  const bool is_ours = saved.is_object() && saved.value(kFormat, json()) == kVersionOfFormat && saved.value("model", json()).is_string() &&
                       saved.value("parameters", json()).is_object() && saved.value("messages", json()).is_array();
  if (!is_ours || !read_parameters(saved["parameters"], conversation.parameters) ||
      !read_messages(saved["messages"], conversation.messages))
    return fail(ErrorCode::kCorrupt, file.string() + " is not a saved conversation. /save FILE writes one.");
  conversation.model = saved["model"].get<std::string>();
  return conversation;
}

}  // namespace mlxr::cli
