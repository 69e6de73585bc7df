# Shared by the scripts: messages, stamps, the root of the repo. Works in bash 3.2 (macOS).
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
deps=$root/.deps
venv=$deps/venv

say() { printf '==> %s\n' "$*"; }
fail() { printf 'setup cannot go on: %s\n' "$*" >&2; exit 1; }

# stamp_is_fresh NAME FILE…: true if stamp_write was called with the same NAME while the FILEs had the same contents.
stamp_is_fresh() { [ -f "$deps/stamps/$1" ] && [ "$(cat "$deps/stamps/$1")" = "$(stamp_of "${@:2}")" ]; }
stamp_write() { mkdir -p "$deps/stamps"; stamp_of "${@:2}" >"$deps/stamps/$1"; }
stamp_of() { cat "$@" | cksum; }
