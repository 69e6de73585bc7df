// Includes Apple's headers if they are available, otherwise our own declarations of the parts that we use.
#pragma once

#if __has_include(<AppKit/AppKit.h>)
#import <AppKit/AppKit.h>
#import <ServiceManagement/ServiceManagement.h>
#import <WebKit/WebKit.h>
#else
#include "app/host/macos/appkit_decls.h"
#endif
