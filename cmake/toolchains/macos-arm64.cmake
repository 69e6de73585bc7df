# macOS 14 arm64 from Linux: see macos-clang.cfg beside this file. Libraries from scripts/cross-macos-deps.
set(CMAKE_SYSTEM_NAME Darwin)
set(CMAKE_SYSTEM_VERSION 23.0)
set(CMAKE_SYSTEM_PROCESSOR arm64)
set(_deps ${CMAKE_CURRENT_LIST_DIR}/../../.deps/macos-arm64)
cmake_path(ABSOLUTE_PATH _deps NORMALIZE)

set(CMAKE_C_COMPILER ${CMAKE_CURRENT_LIST_DIR}/macos-clang)
set(CMAKE_CXX_COMPILER ${CMAKE_CURRENT_LIST_DIR}/macos-clang++)
set(CMAKE_OBJCXX_COMPILER ${CMAKE_CXX_COMPILER})
set(CMAKE_OSX_SYSROOT "" CACHE STRING "")  # the compiler's own
set(CMAKE_OSX_DEPLOYMENT_TARGET 14.0 CACHE STRING "")
set(CMAKE_AR llvm-ar-19)
set(CMAKE_RANLIB llvm-ranlib-19)
set(CMAKE_INSTALL_NAME_TOOL llvm-install-name-tool-19)
# CMake derives the flag for an rpath from the version of the Mac it runs on: this file is read again after its platform files, to set it.
set(CMAKE_USER_MAKE_RULES_OVERRIDE ${CMAKE_CURRENT_LIST_FILE})
set(CMAKE_SHARED_LIBRARY_RUNTIME_C_FLAG -Wl,-rpath,)
set(CMAKE_SHARED_LIBRARY_RUNTIME_CXX_FLAG -Wl,-rpath,)
set(CMAKE_BUILD_WITH_INSTALL_RPATH ON)
set(CMAKE_INSTALL_RPATH "@executable_path/../Frameworks;@executable_path/../lib")

set(CMAKE_FIND_ROOT_PATH ${_deps}/sdk ${_deps})  # MLX lies beside the sdk
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(CMAKE_FIND_FRAMEWORK NEVER)
set(ENV{PKG_CONFIG_LIBDIR} ${_deps}/sdk/usr/local/lib/pkgconfig)
set(MLX_DIR ${_deps}/mlx/share/cmake/MLX)
