# Compiler options for all targets. Options: MLXR_SANITIZE (address, thread), MLXR_WERROR, MLXR_TESTS, MLXR_FUZZ, MLXR_LINK_MAPS.
# Off for those who only want to build: each compiler warns about something else, also in the headers of libraries. CI sets the variable.
option(MLXR_WERROR "Warnings are errors" "$ENV{MLXR_WERROR}")
option(MLXR_TESTS "Build the tests" ON)
option(MLXR_FUZZ "Add the fuzzers (clang only)" OFF)
option(MLXR_LINK_MAPS "The linker writes what went into each program to maps/, for release/linkage.py" OFF)
set(MLXR_SANITIZE "" CACHE STRING "Sanitizers: empty, address (with undefined), or thread")

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)

find_program(CCACHE ccache)
if(CCACHE)
  # base_dir: all checkouts share one cache
  set(settings CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1)
  if(APPLE AND CMAKE_CROSSCOMPILING)
    # The compiler is a script: hash its content, and the program that it calls.
    list(APPEND settings CCACHE_COMPILERCHECK=content
      CCACHE_EXTRAFILES=${CMAKE_SOURCE_DIR}/cmake/toolchains/macos-clang.cfg:${CMAKE_SOURCE_DIR}/scripts/requirements/cross.txt)
  endif()
  set(CMAKE_C_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env ${settings} ${CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_C_COMPILER_LAUNCHER})
endif()

add_compile_options(-Wall -Wextra -Wshadow -Wno-missing-field-initializers -fno-omit-frame-pointer
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)
if(MLXR_WERROR)
  add_compile_options(-Werror)
endif()
if(MLXR_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=address,undefined)
elseif(MLXR_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread)
  add_link_options(-fsanitize=thread)
elseif(MLXR_SANITIZE)
  message(FATAL_ERROR "MLXR_SANITIZE is '${MLXR_SANITIZE}': use address, thread or nothing.")
endif()
if(APPLE AND CMAKE_BUILD_TYPE STREQUAL "Release")
  # Programs name the objects that have their lines, for dsymutil: relative to the build folder, so that their bytes and UUIDs do not depend on it.
  add_link_options(LINKER:-oso_prefix,${CMAKE_BINARY_DIR}/)
  cmake_path(RELATIVE_PATH CMAKE_SOURCE_DIR BASE_DIRECTORY ${CMAKE_BINARY_DIR} OUTPUT_VARIABLE source_from_build)
  add_compile_options(-ffile-prefix-map=${source_from_build}=.)  # ccache names sources so
endif()
if(APPLE AND CMAKE_CROSSCOMPILING)
  set(CMAKE_STATIC_LINKER_FLAGS --thin)  # dsymutil then sees the paths of objects: two of one name in an archive are one to it
endif()
if(MLXR_LINK_MAPS)
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/maps)
  add_link_options(LINKER:$<IF:$<BOOL:${APPLE}>,-map$<COMMA>,-Map=>${CMAKE_BINARY_DIR}/maps/$<TARGET_PROPERTY:NAME>.map)
endif()
