#!/bin/bash
# Links /usr/local/bin/mlx to the command line of this app. The app opens this file in Terminal, where sudo asks for the password once.
set -eu
root=${MLXR_ROOT-}
resources=$(cd "${0%/*}" && pwd -P)
command=${resources%/Resources}/Helpers/mlx
link=$root/usr/local/bin/mlx

fail() { echo "$1" >&2; exit 1; }
case $command in
  */AppTranslocation/* | /Volumes/*) fail "Move MLXR to the Applications folder and open it there first: the command would not be found after MLXR is closed." ;;
esac
[ -x "$command" ] || fail "$command is missing. Drag MLXR from its disk image to Applications again."

there=$(readlink "$link" 2>/dev/null || true)
if [ "$there" = "$command" ]; then
  echo "The command mlx is installed already."
  exit 0
fi
case $there in
  */MLXR.app/Contents/Helpers/mlx | /Library/MLXRunner/bin/mlx) ;;  # of another copy of MLXR
  *) if [ -e "$link" ] || [ -L "$link" ]; then fail "$link belongs to something else and was left alone. MLXR's command is $command"; fi ;;
esac

echo "Installing the command mlx as $link. This needs an administrator's password."
sudo mkdir -p "${link%/*}"
sudo ln -sfn "$command" "$link"
echo "Done. Try: mlx run smollm2:135m"
