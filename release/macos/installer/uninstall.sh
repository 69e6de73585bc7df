#!/bin/bash
# Removes what the package installed: sudo /Library/MLXRunner/uninstall.sh [--dry-run]
# Models, settings and the cache are each user's own: `mlx uninstall` asks about them, and has to be run first.
set -eu
target=${MLXR_TARGET:-}  # another volume's root
dry=""
case ${1:-} in
  "") ;;
  --dry-run) dry=yes ;;
  *) echo "usage: uninstall.sh [--dry-run]" >&2; exit 2 ;;
esac
[ -n "$dry" ] || [ "$(id -u)" = 0 ] || { echo "uninstall.sh: run it with sudo" >&2; exit 1; }

remove() {
  [ -e "$1" ] || [ -L "$1" ] || return 0
  echo "$1"
  [ -n "$dry" ] || rm -rf "$1"
}

if [ -z "$dry" ] && [ -z "$target" ]; then
  for user in $(ps -axo uid=,comm= | awk '$2 ~ /\/loginwindow$/ {print $1}' | sort -u); do
    launchctl bootout "gui/$user/com.company.mlxrunnerd" 2>/dev/null || true
  done
fi
link=$target/usr/local/bin/mlx
case $(readlink "$link" 2>/dev/null || true) in
  /Library/MLXRunner/*) remove "$link" ;;
esac
remove "$target/Library/LaunchAgents/com.company.mlxrunnerd.plist"
remove "$target/Applications/MLXR.app"
remove "$target/Library/MLXRunner"
for receipt in com.company.mlxr.pkg.app com.company.mlxr.pkg.daemon; do
  [ -n "$dry" ] || pkgutil --volume "${target:-/}" --forget "$receipt" >/dev/null 2>&1 || true
done
