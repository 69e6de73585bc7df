// Of Apple's header of this name, what platform/signature_macos.cpp needs: see cmake/stubs/README.md.
#pragma once

#include <CoreFoundation/CoreFoundation.h>

extern "C" {
using SecTaskRef = struct __SecTask*;
SecTaskRef SecTaskCreateFromSelf(CFAllocatorRef allocator);
CFTypeRef SecTaskCopyValueForEntitlement(SecTaskRef task, CFStringRef entitlement, CFTypeRef* error);
}
