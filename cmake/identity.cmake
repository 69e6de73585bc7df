# The names of [identity] in release/manifest.toml as CMake variables (organization, repository, contact, app_id, daemon_id, app_agent), for
# configure_file(… @ONLY). mlxr_fill(VARIABLE TEXT) replaces each @name@ in a text.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/release/manifest.toml)
foreach(name IN ITEMS organization repository contact app_id daemon_id app_agent)
  file(STRINGS ${CMAKE_SOURCE_DIR}/release/manifest.toml line REGEX "^${name} = \"[^\"]+\"$")
  if(NOT line MATCHES "\"([^\"]+)\"")
    message(FATAL_ERROR "release/manifest.toml has no ${name} in [identity].")
  endif()
  set(${name} ${CMAKE_MATCH_1})
endforeach()

function(mlxr_fill variable text)
  string(CONFIGURE "${text}" text @ONLY)
  set(${variable} ${text} PARENT_SCOPE)
endfunction()
