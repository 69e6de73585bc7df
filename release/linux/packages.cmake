# A package of each component for Debian and Ubuntu (scripts/package-linux runs CPack).
set(CPACK_PACKAGE_NAME mlxrunner)
string(REPLACE "-" "~" CPACK_PACKAGE_VERSION ${MLXR_VERSION})  # so that dpkg takes a beta for older than what it becomes
set(CPACK_PACKAGE_VENDOR "${organization}")
set(CPACK_PACKAGE_CONTACT "${organization} <${contact}>" CACHE STRING "Who answers for the packages: NAME <ADDRESS>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "runs language models on this machine")
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL ${components})
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_SOURCE_DIR}/debian_files.cmake)
set(CPACK_MLXR_COPYRIGHT ${CMAKE_CURRENT_SOURCE_DIR}/copyright)  # for that script

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_HOMEPAGE ${repository})
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR}/${MLXR_PRIVATE_DIR})
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
  set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE arm64)
else()
  set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE amd64)
endif()

set(CPACK_DEBIAN_PROGRAMS_PACKAGE_NAME mlxrunner)
set(CPACK_DEBIAN_PROGRAMS_PACKAGE_SHLIBDEPS ON)
set(CPACK_COMPONENT_PROGRAMS_DESCRIPTION "A daemon keeps models in memory and answers in the forms of OpenAI
and Ollama on a Unix socket that only its user can reach. The command mlx
downloads models, asks them and chats with them.")

# The package is named after the library's soname, so that two versions can be installed side by side. MLX is in the programs' package.
get_target_property(soversion mlxrunner_core_shared SOVERSION)
set(CPACK_DEBIAN_LIB_PACKAGE_NAME libmlxrunner-core${soversion})
set(CPACK_DEBIAN_LIB_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_LIB_PACKAGE_SHLIBDEPS ON)
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/lib/shlibs "libmlxrunner_core ${soversion} ${CPACK_DEBIAN_LIB_PACKAGE_NAME} (= ${CPACK_PACKAGE_VERSION})\n")
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/lib/triggers "activate-noawait ldconfig\n")
set(CPACK_DEBIAN_LIB_PACKAGE_CONTROL_EXTRA ${CMAKE_CURRENT_BINARY_DIR}/lib/shlibs ${CMAKE_CURRENT_BINARY_DIR}/lib/triggers)
set(CPACK_DEBIAN_LIB_PACKAGE_DEPENDS "mlxrunner (= ${CPACK_PACKAGE_VERSION})")
set(CPACK_COMPONENT_LIB_DESCRIPTION "The engine of MLXR as a shared library.")

set(CPACK_DEBIAN_DEV_PACKAGE_NAME libmlxrunner-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS  # the last three: what the archive needs
  "${CPACK_DEBIAN_LIB_PACKAGE_NAME} (= ${CPACK_PACKAGE_VERSION}), libpcre2-dev, libsodium-dev, libssl-dev")
set(CPACK_COMPONENT_DEV_DESCRIPTION "The engine of MLXR for programs in C++23: libmlxrunner_core and its headers.")

set(CPACK_DEBIAN_APP_PACKAGE_NAME mlxrunner-app)
set(CPACK_DEBIAN_APP_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_APP_PACKAGE_DEPENDS "mlxrunner (= ${CPACK_PACKAGE_VERSION})")
set(CPACK_COMPONENT_APP_DESCRIPTION "The window of MLXR, for desktops.")

# File names have the version as the other artefacts do: GitHub would put something else in the place of "~".
foreach(component IN LISTS components)
  string(TOUPPER ${component} upper)
  set(CPACK_DEBIAN_${upper}_FILE_NAME ${CPACK_DEBIAN_${upper}_PACKAGE_NAME}_${MLXR_VERSION}_${CPACK_DEBIAN_PACKAGE_ARCHITECTURE}.deb)
endforeach()

include(CPack)
