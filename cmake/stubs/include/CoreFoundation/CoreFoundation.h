// Of Apple's header of this name, what metal-cpp needs: see cmake/stubs/README.md.
#pragma once

typedef double CFTimeInterval;
typedef const void* CFTypeRef;
