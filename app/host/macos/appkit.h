// Apple's headers where they are, else the declarations of what we use of them.
#pragma once

#if __has_include(<AppKit/AppKit.h>)
#import <AppKit/AppKit.h>
#import <ServiceManagement/ServiceManagement.h>
#import <WebKit/WebKit.h>
#else
#include "app/host/macos/appkit_decls.h"
#endif
