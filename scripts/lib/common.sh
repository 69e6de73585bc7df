# Shared by the scripts: messages, usage, stamps, the root of the repo. Works in bash 3.2 (macOS).
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
deps=$root/.deps
venv=$deps/venv

say() { printf '==> %s\n' "$*"; }
fail() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }
usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; }  # the comment at the top of the script

# stamp_is_fresh NAME INPUTS: true if stamp_write was called with the same NAME and the same text.
stamp_is_fresh() { [ -f "$deps/stamps/$1" ] && [ "$(cat "$deps/stamps/$1")" = "$(cksum <<<"$2")" ]; }
stamp_write() { mkdir -p "$deps/stamps"; cksum <<<"$2" >"$deps/stamps/$1"; }
