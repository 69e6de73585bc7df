# Linux arm64 from Linux: Debian's cross compiler, libraries from the root that scripts/cross-arm64-linux-deps made, tests under qemu.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(_deps ${CMAKE_CURRENT_LIST_DIR}/../../.deps/arm64-linux)
cmake_path(ABSOLUTE_PATH _deps NORMALIZE)
set(_root ${_deps}/root)

set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_SYSROOT ${_root})
set(CMAKE_FIND_ROOT_PATH ${_deps})  # MLX lies beside the root
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(ENV{PKG_CONFIG_LIBDIR} ${_root}/usr/lib/aarch64-linux-gnu/pkgconfig:${_root}/usr/share/pkgconfig)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${_root})
set(MLX_DIR ${_deps}/mlx/share/cmake/MLX)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64-static -L ${_root})
