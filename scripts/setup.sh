#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that Tessera needs, if they are absent: scripts/setup.sh build | quickstart | test
# A package that only some tests need may be missing from the system's list: that is said, and no error.
# scripts/setup.sh --check [...] installs nothing and says what is there and what is missing, and so does the script on
# other systems, where only what the build needs is an error: on a cluster, load the modules of your site
# (docs/without-root.md).
set -eu

build="g++ cmake ninja-build libopenmpi-dev openmpi-bin libdnnl-dev libhdf5-dev libboost-program-options-dev
nlohmann-json3-dev libfmt-dev libxxhash-dev libpcre2-dev"
quickstart="$build bible-kjv"
test="$quickstart libboost-test-dev hdf5-tools python3 python3-h5py procps ccache clang-format shellcheck git
slurm-wlm munge"
optional="" # with "test": what some tests need, which are skipped without

if [ "${1:-}" = --check ]; then
  shift
  exec "$(dirname "$0")/check_setup.sh" "$@"
fi
case "${1:-build}" in
  build) wanted=$build ;;
  quickstart) wanted=$quickstart ;;
  test)
    wanted=$test
    optional="mpich libmpich-dev patchelf python3-pip"
    ;;
  *)
    echo "usage: scripts/setup.sh [--check] build | quickstart | test" >&2
    exit 2
    ;;
esac

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "This is no Debian system, so nothing is installed. What is here:"
  check=$(dirname "$0")/check_setup.sh
  "$check" "${1:-build}" || exec "$check" build >/dev/null
  exit
fi

# absent PACKAGE...: those that are not installed.
absent() {
  for package; do
    # shellcheck disable=SC2016  # ${Status} is for dpkg-query, not for the shell
    status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
    [ "$status" = "install ok installed" ] || printf ' %s' "$package"
  done
}
# shellcheck disable=SC2086  # lists of words
missing=$(absent $wanted) wished=$(absent $optional)
[ -n "$missing$wished" ] || exit 0

as_root=""
if [ "$(id -u)" != 0 ]; then
  if command -v sudo >/dev/null; then
    as_root=sudo
  elif [ -n "$missing" ]; then
    echo "error: these packages are missing, and there is no sudo to install them. As root: apt-get install$missing" >&2
    exit 1
  else
    echo "not installed, as there is no sudo:$wished (tests that need them are skipped)"
    exit 0
  fi
fi
install() {
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

echo "installing:$missing$wished"
$as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq || [ -z "$missing" ]
# shellcheck disable=SC2086  # a list of words
[ -z "$missing" ] || install $missing
for package in $wished; do # each alone: one that cannot be had must not cost the others
  install "$package" || echo "not installed: $package (tests that need it are skipped)"
done
