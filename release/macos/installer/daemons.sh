# Shared by the package's scripts: the daemons of all logged-in users, and links in /usr/local. To be sourced, by bash 3.2.
#
# root: the root of the disk; empty except in tests. live: yes, if the running system is changed (on another volume nobody is logged in).

patience=70  # seconds: an answer that is being written is finished first, and launchd kills after 30

users() { ps -axo uid=,comm= | awk '$2 ~ /\/loginwindow$/ {print $1}' | sort -u; }

# processes PROGRAM: "uid pid" of each process that runs the file.
processes() { ps -axwwo uid=,pid=,comm= | awk -v program="$1" '{ user = $1; id = $2; sub(/^ *[0-9]+ +[0-9]+ +/, ""); if ($0 == program) print user, id }'; }

has_job() {  # LABEL
  local user
  for user in $(users); do
    launchctl print "gui/$user/$1" >/dev/null 2>&1 && return 0
  done
  return 1
}

# end_processes PROGRAM [LABEL]: asks the processes to exit, and returns when they have and launchd has removed the job LABEL.
end_processes() {
  local pid waited=0
  for pid in $(processes "$1" | cut -d' ' -f2); do kill -TERM "$pid" 2>/dev/null || true; done
  while [ -n "$(processes "$1")" ] || { [ -n "${2:-}" ] && has_job "$2"; }; do
    if [ "$waited" -ge "$patience" ]; then
      for pid in $(processes "$1" | cut -d' ' -f2); do kill -KILL "$pid" 2>/dev/null || true; done
      return 0
    fi
    sleep 1
    waited=$((waited + 1))
  done
}

# stop_job LABEL PROGRAM: removes the job from launchd and ends the program, even if a command had started it, so that none holds the socket.
stop_job() {
  local user
  for user in $(users); do
    launchctl bootout "gui/$user/$1" 2>/dev/null || true  # it may not be loaded; launchd goes on with this after the command returns
  done
  end_processes "$2" "$1"
}

# start_job PLIST: for all logged-in users. launchd refuses briefly after a job with that label has ended.
start_job() {
  local user tries
  for user in $(users); do
    tries=0
    until launchctl bootstrap "gui/$user" "$1" 2>/dev/null; do
      tries=$((tries + 1))
      if [ "$tries" -ge 10 ]; then
        echo "MLXR: the daemon of user $user starts at the next login." >&2
        break
      fi
      sleep 1
    done
  done
}

# links: the links in /usr/local to /Library/MLXRunner, as "link target", relative to both.
links() {
  cat <<'LINKS'
bin/mlx bin/mlx
share/man/man1/mlx.1 share/man/man1/mlx.1
share/man/man8/mlxrunnerd.8 share/man/man8/mlxrunnerd.8
share/zsh/site-functions/_mlx share/zsh/site-functions/_mlx
share/fish/vendor_completions.d/mlx.fish share/fish/vendor_completions.d/mlx.fish
etc/bash_completion.d/mlx share/bash-completion/completions/mlx
LINKS
}

# is_ours LINK: a link of this package's or of the app's.
is_ours() {
  case $(readlink "$1" 2>/dev/null || true) in
    /Library/MLXRunner/* | /Applications/MLXR.app/*) return 0 ;;
    *) return 1 ;;
  esac
}
