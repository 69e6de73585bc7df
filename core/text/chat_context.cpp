#include "core/text/chat_context.h"

#include <algorithm>
#include <array>

#include "core/text/jinja/json.h"
#include "core/text/jinja/raise.h"
#include "core/text/jinja/unicode.h"

namespace mlxr::text {
namespace {

using jinja::Dict;
using jinja::List;
using jinja::None;
using jinja::Value;

// Roles that the templates of the families in use know. Any other role counts as text of the conversation.
constexpr std::array<std::string_view, 11> kRoles = {"system",   "developer", "user",        "assistant", "model",      "tool",
                                                     "function", "ipython",   "observation", "context",   "environment"};

bool is_role(const Value& v) { return v.string() != nullptr && std::ranges::find(kRoles, *v.string()) != kRoles.end(); }

// The same value with another origin in all its strings.
Value with_origin(const Value& v, Origin origin) {
  if (v.string() != nullptr) return Value(MarkedText(*v.string(), origin));
  if (const List* list = v.list()) {
    std::vector<Value> items;
    for (const Value& item : list->items) items.push_back(with_origin(item, origin));
    return Value(std::move(items), list->kind);
  }
  const Dict* dict = v.dict();
  if (dict == nullptr) return v;
  Dict::Entries entries;
  for (const auto& [key, value] : dict->entries) entries.emplace_back(key, with_origin(value, origin));
  return Value(std::move(entries));
}

Value as_parts(const Value& content) {
  if (content.string() == nullptr) return content;
  return Value(std::vector<Value>{Value(Dict::Entries{{Value("type"), Value("text")}, {Value("text"), content}})});
}

// Whether the content, or one of its parts, has text that is more than whitespace.
bool has_text(const Value& content) {
  if (content.string() != nullptr) return !jinja::strip(*content.string(), jinja::Side::kLeft).empty();
  if (content.list() == nullptr) return false;
  return std::ranges::any_of(content.list()->items, [](const Value& part) {
    const Value* text = part.dict() != nullptr ? part.dict()->find(std::string_view("text")) : nullptr;
    return text != nullptr && has_text(*text);
  });
}

const Value* field(const Value& message, std::string_view name) { return message.dict() != nullptr ? message.dict()->find(name) : nullptr; }

bool has_text_content(const Value& message) {
  const Value* content = field(message, "content");
  return content != nullptr && has_text(*content);
}

bool has_role(const Value& message, std::string_view role) {
  const Value* v = field(message, "role");
  return v != nullptr && v->string() != nullptr && *v->string() == role;
}

// Clients have several names for what a model thought before it answered, and so have templates: all of them find it.
void alias_reasoning(const Value& message, Dict::Entries& entries) {
  for (const auto name : {"reasoning_content", "thinking", "reasoning"}) {
    const Value* reasoning = field(message, name);
    if (reasoning == nullptr || reasoning->is_none()) continue;
    entries.insert(entries.begin(), {Value("thinking"), *reasoning});  // the message's own, which comes later, counts
    entries.emplace_back(Value("reasoning_content"), *reasoning);
    return;
  }
}

Value message_for_template(const Value& message, Origin origin, bool content_as_parts) {
  if (message.dict() == nullptr) return message;
  Dict::Entries entries = message.dict()->entries;
  alias_reasoning(message, entries);
  for (auto& [key, value] : entries) {
    if (*key.string() == "role" && is_role(value)) value = Value(*value.string());
    if (*key.string() != "content") continue;
    value = with_origin(value, origin);
    if (content_as_parts) value = as_parts(value);
  }
  return Value(std::move(entries));
}

// Whether the last message can be continued. One without text cannot, and is left out.
bool continues(const std::vector<Value>& messages) {
  if (messages.empty() || !has_role(messages.back(), "assistant"))
    jinja::raise("only an assistant's message at the end of the conversation can be continued");
  return has_text_content(messages.back());
}

}  // namespace

bool gives_tools(std::string_view json) {
  const Value context = jinja::parse_json(json, Origin::kContent);
  const Value* tools = field(context, "tools");
  return tools != nullptr && !tools->is_none();
}

ChatContext chat_context(std::string_view json, const RenderOptions& options) {
  const Value context = jinja::parse_json(json, Origin::kContent);
  if (context.dict() == nullptr) jinja::raise("the context is not a JSON object");
  Dict::Entries entries = {{Value("tools"), None()}, {Value("documents"), None()}, {Value("add_generation_prompt"), Value(false)}};
  for (const auto& [name, text] : options.variables) entries.emplace_back(Value(name), Value(text));
  entries.insert(entries.end(), context.dict()->entries.begin(), context.dict()->entries.end());

  ChatContext out;
  const Value* given = field(context, "messages");
  if (given == nullptr || given->list() == nullptr) {
    if (options.continue_final_message) jinja::raise("the context has no messages");
    out.value = Value(std::move(entries));
    return out;
  }
  std::vector<Value> messages = given->list()->items;
  if (options.continue_final_message) {
    out.goes_on = continues(messages);
    if (!out.goes_on) messages.pop_back();
    entries.emplace_back(Value("add_generation_prompt"), Value(!out.goes_on));
  }
  const auto question = std::find_if(messages.rbegin(), messages.rend(), [](const Value& m) { return has_role(m, "user"); });
  if (question != messages.rend()) out.has_question = has_text_content(*question);
  for (auto m = messages.rbegin(); m != messages.rend(); ++m) {
    const Origin origin = out.goes_on && m == messages.rbegin() ? Origin::kFinal : m == question ? Origin::kQuestion : Origin::kContent;
    *m = message_for_template(*m, origin, options.content_as_parts);
  }
  entries.emplace_back(Value("messages"), Value(std::move(messages)));
  out.value = Value(std::move(entries));
  return out;
}

}  // namespace mlxr::text
