# Writes manifest.json beside the library. Called when it is built, and when it is installed, with LIBRARY, OUTPUT, VERSION, ABI and VARIANTS (separated by commas).
file(SHA256 ${LIBRARY} sha256)
get_filename_component(name ${LIBRARY} NAME)
string(REPLACE "," "\", \"" variants "${VARIANTS}")
file(WRITE ${OUTPUT} "{
  \"name\": \"cpu\",
  \"version\": \"${VERSION}\",
  \"abi\": ${ABI},
  \"library\": \"${name}\",
  \"variants\": [\"${variants}\"],
  \"sha256\": \"${sha256}\"
}
")
