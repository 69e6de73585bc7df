// The entitlements in the running program's own signature, by the Security framework.
#include <CoreFoundation/CoreFoundation.h>
#include <Security/SecTask.h>

#include <memory>

#include "platform/identity.h"
#include "platform/mac_paths.h"

namespace mlxr::platform {
namespace {

struct Release {
  void operator()(const void* value) const { CFRelease(value); }
};
using Value = std::unique_ptr<const void, Release>;

Value entitlement(SecTaskRef task, const char* name) {
  const Value key(CFStringCreateWithCString(nullptr, name, kCFStringEncodingUTF8));
  return Value(SecTaskCopyValueForEntitlement(task, static_cast<CFStringRef>(key.get()), nullptr));
}

std::string text_of(CFTypeRef value) {
  char text[256];
  if (value == nullptr || CFGetTypeID(value) != CFStringGetTypeID() ||
      !CFStringGetCString(static_cast<CFStringRef>(value), text, sizeof(text), kCFStringEncodingUTF8))
    return "";
  return text;
}

}  // namespace

Signature own_signature() {
  const Value task(SecTaskCreateFromSelf(nullptr));
  if (!task) return {};
  const auto self = static_cast<SecTaskRef>(const_cast<void*>(task.get()));
  Signature signature;
  const Value sandbox = entitlement(self, "com.apple.security.app-sandbox");
  signature.sandboxed =
      sandbox && CFGetTypeID(sandbox.get()) == CFBooleanGetTypeID() && CFBooleanGetValue(static_cast<CFBooleanRef>(sandbox.get()));
  const Value groups = entitlement(self, "com.apple.security.application-groups");
  if (!groups || CFGetTypeID(groups.get()) != CFArrayGetTypeID()) return signature;
  const auto list = static_cast<CFArrayRef>(groups.get());
  const std::string suffix = std::string(".") + kAppId;
  for (CFIndex i = 0; i < CFArrayGetCount(list); ++i) {
    const std::string name = text_of(CFArrayGetValueAtIndex(list, i));
    if (name.ends_with(suffix)) signature.app_group = name;
  }
  return signature;
}

}  // namespace mlxr::platform
