# Called by CPack before it packs: every file gets the time SOURCE_DATE_EPOCH, so that the same files make the same bytes.
execute_process(COMMAND find ${CPACK_TEMPORARY_DIRECTORY} -exec touch --no-dereference --date=@$ENV{SOURCE_DATE_EPOCH} {} +
  COMMAND_ERROR_IS_FATAL ANY)
