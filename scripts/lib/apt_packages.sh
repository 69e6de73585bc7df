# The packages of each group. Sets `packages`; $os_release is "debian12", "debian13" or "ubuntu24.04" (similar systems get the newest names).
apt_packages() {
  local boost=libboost-dev
  packages=""
  [ "$os_release" = debian12 ] && boost=libboost1.81-dev
  case $1 in
    build) packages="g++ make cmake ninja-build ccache pkg-config python3 python3-venv python3-pip ca-certificates $boost nlohmann-json3-dev
      libyaml-cpp-dev libsqlite3-dev libsodium-dev libcurl4-openssl-dev libssl-dev libpcre2-dev libcli11-dev libspdlog-dev libedit-dev libarchive-dev" ;;
    test) packages="libgtest-dev libgmock-dev groff zsh fish" ;;
    app) packages="libwebkitgtk-6.0-dev xvfb xdotool" ;;
    bench) packages="valgrind" ;;
    lint) packages="clang-format-19 shellcheck python3" ;;
    release) packages="xorriso librsvg2-bin libarchive-tools 7zip dmg2img ruby rubocop libblas3 liblapack3" ;;  # the last two: for their license texts, which MLX's wheel lacks
    release-tools) packages="libpcsclite-dev"  # for smart cards
      command -v cargo >/dev/null || { packages="$packages cargo"; [ "$os_release" != debian12 ] || packages="$packages-web"; } ;;
    tidy) packages="clang-tidy-19" ;;
    fuzz) packages="clang-19 libclang-rt-19-dev llvm-19" ;;
    package) packages="dpkg-dev zstd libarchive-tools desktop-file-utils appstream mmdebstrap lintian systemd" ;;
    cross-arm64-linux) packages="g++-aarch64-linux-gnu qemu-user-static mmdebstrap" ;;
    cross-macos) packages="lld-19 llvm-19 autoconf automake libtool" ;;
  esac
}
