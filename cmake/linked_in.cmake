# Libraries that are linked statically on Linux, because one package has to run on several distributions and releases, between which the sonames of
# these libraries differ (yaml-cpp, spdlog and fmt with every release; libsodium and libedit between Debian and others). If a static library is
# missing, the shared library is used, and the programs run only on this system.
function(mlxr_link_in target)  # TARGET ARCHIVE…: replaces the libraries of an INTERFACE target by these archives
  set(archives "")
  foreach(name IN LISTS ARGN)
    find_library(MLXR_ARCHIVE_${name} lib${name}.a)
    mark_as_advanced(MLXR_ARCHIVE_${name})
    if(NOT MLXR_ARCHIVE_${name})
      message(STATUS "lib${name}.a is not here: ${target} stays a shared library, and the programs are for this system alone")
      return()
    endif()
    list(APPEND archives ${MLXR_ARCHIVE_${name}})
  endforeach()
  set_target_properties(${target} PROPERTIES INTERFACE_LINK_LIBRARIES "${archives}")
endfunction()

mlxr_link_in(PkgConfig::SODIUM sodium)
mlxr_link_in(PkgConfig::EDIT edit bsd md tinfo)
mlxr_link_in(mlxr_yaml yaml-cpp)
if(TARGET fmt::fmt-header-only)
  set_target_properties(spdlog::spdlog_header_only PROPERTIES INTERFACE_LINK_LIBRARIES "Threads::Threads;fmt::fmt-header-only")
  set_target_properties(mlxr_spdlog PROPERTIES INTERFACE_LINK_LIBRARIES spdlog::spdlog_header_only)
endif()
