#!/bin/bash
# Removes what the package installed: sudo /Library/MLXRunner/uninstall.sh [--dry-run]
# Models, settings and the cache belong to each user: `mlx uninstall` removes them, and has to be run first.
set -eu
root=${MLXR_ROOT-}
folder=$root/Library/MLXRunner
dry=""
case ${1:-} in
  "") ;;
  --dry-run) dry=yes ;;
  *) echo "usage: uninstall.sh [--dry-run]" >&2; exit 2 ;;
esac
[ "$(cd "${0%/*}" && pwd -P)" = "$folder" ] || { echo "uninstall.sh: MLXR's package did not install this copy. To remove it, delete the folder ${0%/*}" >&2; exit 1; }
[ -n "$dry" ] || [ "$(id -u)" = 0 ] || { echo "uninstall.sh: run it with sudo" >&2; exit 1; }
. "$folder/share/mlxrunner/daemons.sh"

remove() {
  [ -e "$1" ] || [ -L "$1" ] || return 0
  echo "$1"
  [ -n "$dry" ] || rm -rf "$1"
}

if [ -z "$dry" ]; then
  stop_job @daemon_id@ /Library/MLXRunner/bin/mlxrunnerd
  stop_job @app_agent@ /Applications/MLXR.app/Contents/Helpers/mlxrunnerd
fi
links | while read -r link _; do
  ! is_ours "$root/usr/local/$link" || remove "$root/usr/local/$link"
done
remove "$root/Library/LaunchAgents/@daemon_id@.plist"
remove "$root/Applications/MLXR.app"
remove "$folder"
for receipt in @app_id@.pkg.app @app_id@.pkg.daemon; do
  [ -n "$dry" ] || pkgutil --volume "${root:-/}" --forget "$receipt" >/dev/null 2>&1 || true
done
