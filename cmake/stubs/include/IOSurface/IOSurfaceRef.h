// Of Apple's header of this name, what metal-cpp needs: see cmake/stubs/README.md.
#pragma once

typedef struct __IOSurface* IOSurfaceRef;
