# Called by CPack before it packs .deb files: gives the files of each package the form that Debian's policy asks for, which an archive does not need.
# Manual pages and changelogs are compressed, each package has its copyright file and a changelog in Debian's format, and every file gets the time
# SOURCE_DATE_EPOCH, so that the same files make the same bytes.
execute_process(COMMAND date --utc --rfc-email --date=@$ENV{SOURCE_DATE_EPOCH} OUTPUT_VARIABLE date OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
file(GLOB components LIST_DIRECTORIES true ${CPACK_TEMPORARY_DIRECTORY}/*)
foreach(folder IN LISTS components)
  get_filename_component(component ${folder} NAME)
  string(TOUPPER ${component} upper)
  set(package ${CPACK_DEBIAN_${upper}_PACKAGE_NAME})
  if(NOT package)
    continue()
  endif()
  set(doc ${folder}/usr/share/doc/${package})
  file(MAKE_DIRECTORY ${doc})
  if(EXISTS ${doc}/changelog)
    file(RENAME ${doc}/changelog ${doc}/CHANGELOG.md)
  endif()
  file(WRITE ${doc}/changelog "${package} (${CPACK_PACKAGE_VERSION}) stable; urgency=medium\n\n  * What changed: CHANGELOG.md.gz in /usr/share/doc/mlxrunner.\n\n"
    " -- ${CPACK_PACKAGE_CONTACT}  ${date}\n")
  file(COPY_FILE ${CPACK_MLXR_COPYRIGHT} ${doc}/copyright)
  file(REMOVE ${doc}/LICENSE)  # in /usr/share/common-licenses, as its copyright file says
  execute_process(COMMAND find ${folder}/usr/share ( -path "*/man/man*/*" -o -path "*/doc/*/changelog" -o -path "*/doc/*/CHANGELOG.md" ) -type f -exec gzip -9n {} +
    COMMAND_ERROR_IS_FATAL ANY)
  file(CHMOD_RECURSE ${folder}/usr/share FILE_PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ
    DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
endforeach()
execute_process(COMMAND find ${CPACK_TEMPORARY_DIRECTORY} -exec touch --no-dereference --date=@$ENV{SOURCE_DATE_EPOCH} {} +
  COMMAND_ERROR_IS_FATAL ANY)
