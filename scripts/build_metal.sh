#!/usr/bin/env bash
# Builds the Metal kernel pack in a folder (kernels/metal/README.md): scripts/build_metal.sh FOLDER VERSION
#
# With Apple's compiler (xcrun), each variant of each kernels/metal/*.metal becomes FOLDER.variants/{kernel}_{variant}.metallib, and all of them together
# FOLDER/kernels.metallib. Without it FOLDER has the sources, which macOS compiles at the engine's first run. manifest.json says which of the two,
# with the engine's ABI version, the variants and the files' SHA-256.
set -euo pipefail
. "$(dirname "$0")/lib/common.sh"
[ $# = 2 ] || fail "usage: scripts/build_metal.sh FOLDER VERSION"
mkdir -p "$1"
folder=$(cd "$1" && pwd)
cd "$root/kernels/metal"
rm -rf "$folder.variants" "$folder/manifest.json" "$folder"/*.metal "$folder"/*.metallib

sha256() { if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d' ' -f1; }
join() { local IFS=,; printf '%s' "$*"; }

form=sources
! command -v xcrun >/dev/null || ! xcrun -sdk macosx -find metal >/dev/null 2>&1 || form=metallib
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
functions=()
files=()
for source in *.metal; do
  kernel=${source%.metal}
  # "// variant NAME DEFINE… comment": the defines have an "=".
  while read -r _ _ variant words; do
    function=${kernel}_$variant
    defines=("FUNCTION=$function")
    for word in $words; do [[ $word != *=* ]] || defines+=("$word"); done
    if [ $form = metallib ]; then
      mkdir -p "$folder.variants"
      xcrun -sdk macosx metal -std=metal3.1 -mmacosx-version-min=14.0 -O3 -Wall -Werror "${defines[@]/#/-D}" -c "$source" -o "$work/$function.air"
      xcrun -sdk macosx metallib "$work/$function.air" -o "$folder.variants/$function.metallib"
    fi
    functions+=("
    \"$function\": {\"kernel\": \"$kernel\", \"variant\": \"$variant\", \"defines\": [$(join "${defines[@]/#/\"}" | sed 's/,/", /g')\"]}")
  done < <(grep '^// variant ' "$source")
  [ $form = metallib ] || { cp "$source" "$folder/"; files+=("$source"); }
done
if [ $form = metallib ]; then
  xcrun -sdk macosx metallib "$work"/*.air -o "$folder/kernels.metallib"
  files=(kernels.metallib)
fi
hashes=()
for file in "${files[@]}"; do
  hashes+=("
    \"$file\": \"$(sha256 "$folder/$file")\"")
done
cat >"$work/manifest.json" <<JSON
{
  "name": "metal",
  "version": "$2",
  "abi": $(sed -n 's/^#define MLXR_METAL_ABI //p' abi.h),
  "form": "$form",
  "functions": {$(join "${functions[@]}")
  },
  "files": {$(join "${hashes[@]}")
  }
}
JSON
mv "$work/manifest.json" "$folder/"  # last, because a pack without a manifest is ignored
