#!/bin/bash
# Restores the daemon and the command line that the package replaced: sudo /Library/MLXRunner/rollback.sh
# Run it again to return to the newer version. docs/install-macos.md explains what happens to the registry of models.
set -eu
root=${MLXR_ROOT-}
folder=$root/Library/MLXRunner
[ $# = 0 ] || { echo "usage: rollback.sh" >&2; exit 2; }
[ "$(id -u)" = 0 ] || { echo "rollback.sh: run it with sudo" >&2; exit 1; }
[ -x "$folder/previous/bin/mlxrunnerd" ] || { echo "rollback.sh: there is no earlier version in $folder/previous" >&2; exit 1; }
. "$folder/share/mlxrunner/daemons.sh"

stop_job @daemon_id@ /Library/MLXRunner/bin/mlxrunnerd
rm -rf "$folder/next"
mkdir "$folder/next"
mv "$folder/bin" "$folder/lib" "$folder/next/"
mv "$folder/previous/bin" "$folder/previous/lib" "$folder/"
rm -rf "$folder/previous"
mv "$folder/next" "$folder/previous"
start_job "$root/Library/LaunchAgents/@daemon_id@.plist"
"$folder/bin/mlx" version
