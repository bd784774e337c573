#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that Tessera needs, if they are absent: scripts/setup.sh build | quickstart | test
# scripts/setup.sh --check [...] installs nothing and says what is there and what is missing, and so does the script on
# other systems: on a cluster, load the modules of your site (docs/without-root.md).
set -eu

build="g++ cmake ninja-build libopenmpi-dev openmpi-bin libdnnl-dev libhdf5-dev libboost-program-options-dev
nlohmann-json3-dev libfmt-dev libxxhash-dev libpcre2-dev"
quickstart="$build bible-kjv"
test="$quickstart libboost-test-dev hdf5-tools python3 python3-h5py procps ccache clang-format shellcheck git
slurm-wlm munge mpich libmpich-dev patchelf python3-pip"

if [ "${1:-}" = --check ]; then
  shift
  exec "$(dirname "$0")/check_setup.sh" "$@"
fi
case "${1:-build}" in
  build) wanted=$build ;;
  quickstart) wanted=$quickstart ;;
  test) wanted=$test ;;
  *)
    echo "usage: scripts/setup.sh [--check] build | quickstart | test" >&2
    exit 2
    ;;
esac

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "This is no Debian system, so nothing is installed. What is here:"
  exec "$(dirname "$0")/check_setup.sh" "${1:-build}"
fi

missing=""
for package in $wanted; do
  # shellcheck disable=SC2016  # ${Status} is for dpkg-query, not for the shell
  status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
  [ "$status" = "install ok installed" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=""
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "error: these packages are missing, and there is no sudo to install them. As root: apt-get install$missing" >&2
    exit 1
  fi
  as_root=sudo
fi
echo "installing:$missing"
$as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
# shellcheck disable=SC2086  # a list of words
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
