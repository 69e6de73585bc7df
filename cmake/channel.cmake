# MLXR_VERSION, which programs and packages show: the number in VERSION and the suffix of the channel. The channels are those of
# release/manifest.toml; scripts/build passes the one that the variable MLXR_CHANNEL names.
set(MLXR_CHANNEL stable CACHE STRING "A channel of release/manifest.toml")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS VERSION release/manifest.toml)
file(STRINGS release/manifest.toml channel_line REGEX "^${MLXR_CHANNEL} = .* suffix = ")
if(NOT MLXR_CHANNEL MATCHES "^[a-z]+$" OR NOT channel_line MATCHES "suffix = \"([^\"]*)\"")
  message(FATAL_ERROR "MLXR_CHANNEL is '${MLXR_CHANNEL}', which is no channel of release/manifest.toml.")
endif()
set(MLXR_VERSION ${PROJECT_VERSION}${CMAKE_MATCH_1})
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/VERSION CONTENT "@MLXR_VERSION@\n" @ONLY)  # for scripts
