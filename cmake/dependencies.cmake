# Libraries: all from the system's packages except MLX, which scripts/setup takes from its wheel. mlxr_yaml and mlxr_spdlog are targets for their
# libraries, linked statically or dynamically.
set(MLXR_DEPS_DIR ${CMAKE_SOURCE_DIR}/.deps CACHE PATH "Where scripts/setup put MLX")

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

if(NOT MLX_DIR)
  file(GLOB MLX_DIR ${MLXR_DEPS_DIR}/venv/lib/python3*/site-packages/mlx/share/cmake/MLX)
endif()
find_package(MLX CONFIG REQUIRED)
if(APPLE)
  set_target_properties(mlx PROPERTIES INTERFACE_LINK_LIBRARIES "")  # frameworks at paths of the Xcode it was built with; libmlx.dylib loads its own
else()
  include(cmake/bundled_mlx.cmake)
endif()

if(POLICY CMP0167)
  cmake_policy(SET CMP0167 OLD)  # only headers are needed, so a Boost without its CMake package is enough
endif()
find_package(Boost 1.81 REQUIRED)  # Asio and Beast, headers only
find_package(nlohmann_json 3.10 REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(CURL REQUIRED)
find_package(CLI11 REQUIRED)
find_package(spdlog REQUIRED)
if(NOT APPLE)
  find_package(OpenSSL 3 REQUIRED COMPONENTS Crypto)
endif()
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(EDIT REQUIRED IMPORTED_TARGET libedit)
pkg_check_modules(ARCHIVE REQUIRED IMPORTED_TARGET libarchive)

add_library(mlxr_yaml INTERFACE)
target_link_libraries(mlxr_yaml INTERFACE yaml-cpp)
add_library(mlxr_spdlog INTERFACE)
target_link_libraries(mlxr_spdlog INTERFACE spdlog::spdlog)
if(NOT APPLE)
  include(cmake/linked_in.cmake)
endif()
