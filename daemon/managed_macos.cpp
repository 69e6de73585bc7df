// Managed settings on macOS: the preferences that a configuration profile enforces, read with CoreFoundation.
#include <CoreFoundation/CoreFoundation.h>

#include <memory>

#include "daemon/managed.h"
#include "platform/identity.h"

namespace mlxr::daemon {
namespace {

struct Release {
  void operator()(const void* value) const { CFRelease(value); }
};
using Value = std::unique_ptr<const void, Release>;

CFStringRef string_of(const Value& value) { return static_cast<CFStringRef>(value.get()); }

Value make_string(std::string_view text) {
  return Value(CFStringCreateWithCString(nullptr, std::string(text).c_str(), kCFStringEncodingUTF8));
}

// A string or whole number as quoted YAML; nothing for other types.
std::optional<std::string> as_yaml(const Value& value) {
  const CFTypeID type = CFGetTypeID(value.get());
  if (type == CFNumberGetTypeID()) {
    long long number = 0;
    if (!CFNumberGetValue(static_cast<CFNumberRef>(value.get()), kCFNumberLongLongType, &number)) return std::nullopt;
    return std::to_string(number);
  }
  char text[1024];
  if (type != CFStringGetTypeID() || !CFStringGetCString(string_of(value), text, sizeof(text), kCFStringEncodingUTF8)) return std::nullopt;
  std::string quoted = "'";
  for (const char c : std::string_view(text)) quoted += c == '\'' ? "''" : c == '\n' ? " " : std::string(1, c);
  return quoted + "'";
}

}  // namespace

Result<std::optional<ManagedSettings>> managed_settings(const std::vector<std::string_view>& names) {
  const Value domain = make_string(kDaemonId);
  ManagedSettings found{"the managed preferences of " + std::string(kDaemonId), ""};
  for (const auto name : names) {
    const Value key = make_string(name);
    // Values that the user wrote with `defaults` are not enforced, so they are ignored.
    if (!CFPreferencesAppValueIsForced(string_of(key), string_of(domain))) continue;
    const Value value(CFPreferencesCopyAppValue(string_of(key), string_of(domain)));
    const auto text = value ? as_yaml(value) : std::nullopt;
    if (!text)
      return fail(ErrorCode::kInvalidArgument, "In " + found.origin + " `" + std::string(name) + "` is neither text nor a whole number.");
    found.text += std::string(name) + ": " + *text + "\n";
  }
  if (found.text.empty()) return std::nullopt;
  return found;
}

}  // namespace mlxr::daemon
