# Minimal systems for installing packages in, kept as archives in .deps/roots. Needs root and mmdebstrap.

# On Debian, this machine's own mirror serves every Debian release; elsewhere mmdebstrap uses the main mirror.
debian_mirror() {  # SUITE: prints sources, or nothing
  . /etc/os-release
  [ "$ID" != debian ] || [ "$1" = noble ] || sed "s/\b$VERSION_CODENAME/$1/g" /etc/apt/sources.list.d/debian.sources
}

# Before version 13, Debian has no package with the keys that sign Ubuntu's archive.
suite_options() {  # SUITE: sets `suite_options`, for mmdebstrap
  suite_options=()
  [ "$1" = noble ] || return 0
  suite_options=(--components=main,universe)
  [ ! -f /usr/share/keyrings/ubuntu-archive-keyring.gpg ] || return 0
  local keyring=$deps/roots/ubuntu-keyring
  if [ ! -d "$keyring" ]; then
    rm -rf "$keyring.part"
    mkdir -p "$deps/roots"
    mmdebstrap --quiet --variant=extract --include=ubuntu-keyring trixie "$keyring.part" - <<<"$(debian_mirror trixie)" ||
      fail "mmdebstrap could not fetch Ubuntu's keys (its message is above)."
    mv "$keyring.part" "$keyring"
  fi
  suite_options+=(--keyring="$keyring/usr/share/keyrings")
}

clean_root_archive() {  # SUITE PACKAGES(comma-separated): creates it if it is missing; sets `archive`
  archive=$deps/roots/$1-$(printf %s "$2" | cksum | cut -d' ' -f1).tar
  [ ! -f "$archive" ] || return 0
  say "making a minimal $1 in .deps/roots"
  mkdir -p "$deps/roots"
  suite_options "$1"
  local mirror options
  mirror=$(debian_mirror "$1")
  options=$(mktemp)
  apt-config dump | grep -iE '^Acquire::(https?|Check-)' >"$options" || true
  # shellcheck disable=SC2086  # either nothing or one word
  mmdebstrap --quiet --variant=minbase "${suite_options[@]}" --include="apt,$2" --aptopt="$options" "$1" "$archive.part.tar" ${mirror:+-} <<<"$mirror" ||
    fail "mmdebstrap could not make the root (its message is above)."
  rm "$options"
  mv "$archive.part.tar" "$archive"
}
