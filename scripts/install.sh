#!/usr/bin/env bash
# Installs boundary for the user who runs it. Made for:
#
#   curl -fsSL https://HOST/PATH/install.sh | BOUNDARY_BASE_URL=https://HOST/PATH bash
#   bash install.sh DIRECTORY_WITH_THE_ARCHIVES
#
# What it takes from the environment:
#   BOUNDARY_BASE_URL   where the archives and SHA256SUMS lie (https), instead of a directory
#   BOUNDARY_VERSION    the version to install; without it, the one that the file VERSION there names
#   BOUNDARY_PREFIX     where to install; without it ~/.local
#
# Needs bash, tar, gzip, sha256sum and, for an address, curl. Needs no root, no Node and no npm. Run again, it
# replaces what it installed. To remove boundary: rm -rf PREFIX/lib/boundary PREFIX/bin/boundary

# All of it is one function that the last line calls: a download that breaks off runs nothing.
main() {
  set -euo pipefail

  local source="${1:-${BOUNDARY_BASE_URL:-}}"
  local prefix="${BOUNDARY_PREFIX:-${HOME:?install.sh: HOME is not set; set it or BOUNDARY_PREFIX}/.local}"
  [[ $# -le 1 ]] || fail "it takes one argument, a directory or an https address, but got $#."
  [[ -n $source ]] || fail "it was not told where the archives are. Set BOUNDARY_BASE_URL to the address that install.sh came from, or give the directory that holds them: bash install.sh DIRECTORY"
  case "$source" in
    -h | --help)
      echo "Usage: bash install.sh DIRECTORY   (one that holds the archives)"
      echo "       BOUNDARY_BASE_URL=https://HOST/PATH bash install.sh"
      echo "Also read: BOUNDARY_VERSION, and BOUNDARY_PREFIX (~/.local unless told)."
      echo "To remove boundary: rm -rf $prefix/lib/boundary $prefix/bin/boundary"
      return
      ;;
    -*) fail "it knows no option $source. See: bash install.sh --help" ;;
    https://*) source="${source%/}" ;;
    *://*) fail "$source is not an https address. Archives are taken over https or from a local directory." ;;
    *) [[ -d $source ]] || fail "$source is neither a directory nor an https address." ;;
  esac

  local platform tool
  platform="$(platform_name)"
  for tool in tar gzip sha256sum; do
    command -v "$tool" >/dev/null 2>&1 || fail "$tool was not found. Install it and run this again."
  done

  # Beside the target, so that the last step is a rename within one file system. Global: the trap outlives main.
  mkdir -p "$prefix/lib" "$prefix/bin" 2>/dev/null || fail "$prefix cannot be written. Set BOUNDARY_PREFIX to a directory of your own."
  work="$(mktemp -d "$prefix/lib/.boundary-install.XXXXXX")" || fail "$prefix/lib cannot be written. Set BOUNDARY_PREFIX to a directory of your own."
  trap 'rm -rf "$work"' EXIT

  local version="${BOUNDARY_VERSION:-}"
  if [[ -z $version ]]; then
    fetch "$source" VERSION "$work/VERSION"
    version="$(head -n 1 "$work/VERSION")"
  fi
  [[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+([-+.][0-9A-Za-z.-]+)?$ ]] || fail "'$version' is not a version such as 1.2.3."

  local name="boundary-$version-linux-$platform"
  local archive="$name.tar.gz"
  fetch "$source" SHA256SUMS "$work/SHA256SUMS"
  local expected found
  expected="$(awk -v file="$archive" '$2 == file { print $1 }' "$work/SHA256SUMS")"
  [[ $expected =~ ^[0-9a-f]{64}$ ]] || fail "$source/SHA256SUMS does not list $archive. Does version $version exist for this platform?"
  fetch "$source" "$archive" "$work/$archive"
  found="$(sha256sum "$work/$archive" | cut -d ' ' -f 1)"
  [[ $found == "$expected" ]] || fail "$archive is not what SHA256SUMS promises (sha256 $found, expected $expected). Nothing was installed. Try again; if it stays so, do not use this source."

  tar -xzf "$work/$archive" -C "$work" --no-same-owner
  local unpacked="$work/$name"
  "$unpacked/bin/boundary" --version >/dev/null || fail "the unpacked boundary does not run here (see above). Nothing was installed."

  # A rename at a time: a boundary that starts meanwhile finds the old one or the new one.
  local before=""
  [[ -x $prefix/bin/boundary ]] && before="$("$prefix/bin/boundary" --version 2>/dev/null | head -n 1 || true)"
  [[ -d $prefix/bin/boundary ]] && fail "$prefix/bin/boundary is a directory. Move it away and run this again."
  if [[ -e $prefix/lib/boundary ]]; then mv "$prefix/lib/boundary" "$work/old"; fi
  if ! mv "$unpacked/lib/boundary" "$prefix/lib/boundary"; then
    if [[ -e $work/old ]]; then mv "$work/old" "$prefix/lib/boundary"; fi
    fail "$prefix/lib/boundary could not be put in place (see above). What was there before is back."
  fi
  mv -f "$unpacked/bin/boundary" "$prefix/bin/boundary"

  echo "boundary $version is installed${before:+ (it replaces $before)}:"
  echo "  command   $prefix/bin/boundary"
  echo "  program   $prefix/lib/boundary (with its own Node)"
  case ":${PATH:-}:" in
    *":$prefix/bin:"*) ;;
    *) echo "  $prefix/bin is not in your PATH. Add it: export PATH=\"$prefix/bin:\$PATH\"" ;;
  esac
  echo "Try: boundary --allow \"domain=example.org\" -- curl https://example.org"
}

fail() {
  echo "install.sh: $1" >&2
  exit 1
}

# amd64 or arm64, of this machine.
platform_name() {
  local system machine
  system="$(uname -s)"
  machine="$(uname -m)"
  [[ $system == Linux ]] || fail "there is no archive for $system. boundary runs on Linux (on a Mac or on Windows: in a container or in WSL)."
  case "$machine" in
    x86_64 | amd64) echo amd64 ;;
    aarch64 | arm64) echo arm64 ;;
    *) fail "there is no archive for Linux on $machine, only for amd64 (x86_64) and arm64 (aarch64)." ;;
  esac
}

# fetch SOURCE NAME TARGET
fetch() {
  if [[ -d $1 ]]; then
    [[ -f $1/$2 ]] || fail "$1 holds no $2. Give the directory that make build-all made (dist/release)."
    cp "$1/$2" "$3"
  else
    command -v curl >/dev/null 2>&1 || fail "curl was not found. Install it, or download the archives and give their directory."
    curl --proto '=https' -fsSL --retry 2 -o "$3" "$1/$2" || fail "$1/$2 could not be downloaded (see above)."
  fi
}

main "$@"
