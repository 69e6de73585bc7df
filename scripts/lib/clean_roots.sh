# Minimal systems to install packages in, each kept as an archive in .deps/roots. Needs root and mmdebstrap.

# A Debian machine's own mirror serves every Debian release; elsewhere mmdebstrap knows the main one.
debian_mirror() {  # SUITE: prints sources, or nothing
  . /etc/os-release
  [ "$ID" != debian ] || sed "s/\b$VERSION_CODENAME/$1/g" /etc/apt/sources.list.d/debian.sources
}

clean_root_archive() {  # SUITE PACKAGES(comma-separated): makes it where it is missing; sets `archive`
  archive=$deps/roots/$1-$(printf %s "$2" | cksum | cut -d' ' -f1).tar
  [ ! -f "$archive" ] || return 0
  say "making a minimal $1 in .deps/roots"
  mkdir -p "$deps/roots"
  local mirror options
  mirror=$(debian_mirror "$1")
  options=$(mktemp)
  apt-config dump | grep -iE '^Acquire::(https?|Check-)' >"$options" || true
  # shellcheck disable=SC2086  # either nothing or one word
  mmdebstrap --quiet --variant=minbase --include="apt,$2" --aptopt="$options" "$1" "$archive.part.tar" ${mirror:+-} <<<"$mirror" ||
    fail "mmdebstrap could not make the root (its message is above)."
  rm "$options"
  mv "$archive.part.tar" "$archive"
}
