// Of Apple's header of this name, what metal-cpp, daemon/managed_macos.cpp and platform/signature_macos.cpp need: see
// cmake/stubs/README.md.
#pragma once

extern "C" {
using CFTypeRef = const void*;
using CFTimeInterval = double;
using CFAllocatorRef = const struct __CFAllocator*;
using CFStringRef = const struct __CFString*;
using CFArrayRef = const struct __CFArray*;
using CFBooleanRef = const struct __CFBoolean*;
using CFNumberRef = const struct __CFNumber*;
using CFTypeID = unsigned long;
using CFIndex = long;
using CFStringEncoding = unsigned int;
using Boolean = unsigned char;
enum : CFStringEncoding { kCFStringEncodingUTF8 = 0x08000100 };
enum CFNumberType : CFIndex { kCFNumberLongLongType = 11 };

void CFRelease(CFTypeRef value);
CFTypeID CFGetTypeID(CFTypeRef value);
CFTypeID CFArrayGetTypeID();
CFTypeID CFBooleanGetTypeID();
CFTypeID CFStringGetTypeID();
CFTypeID CFNumberGetTypeID();
CFStringRef CFStringCreateWithCString(CFAllocatorRef allocator, const char* text, CFStringEncoding encoding);
Boolean CFStringGetCString(CFStringRef string, char* buffer, CFIndex size, CFStringEncoding encoding);
CFIndex CFArrayGetCount(CFArrayRef array);
const void* CFArrayGetValueAtIndex(CFArrayRef array, CFIndex index);
Boolean CFBooleanGetValue(CFBooleanRef boolean);
Boolean CFNumberGetValue(CFNumberRef number, CFNumberType type, void* value);
Boolean CFPreferencesAppValueIsForced(CFStringRef key, CFStringRef application);
CFTypeRef CFPreferencesCopyAppValue(CFStringRef key, CFStringRef application);
}
