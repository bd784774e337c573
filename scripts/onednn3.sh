#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fetches oneDNN 3 for the tests, where the system has oneDNN 2: scripts/onednn3.sh FOLDER
# FOLDER/prefix gets a release to link (3.2, with GNU OpenMP), FOLDER/newest the headers of the newest one tried (3.13,
# whose library needs the runtime of another compiler). They are wheels of PyPI, pinned by checksum and unpacked, not
# installed. Exit code 1, with the reason, where they cannot be had: there is no pip, no way to the index, no wheel for
# this machine. Exit code 2 if they are there and not what they should be.
set -eu
[ $# = 1 ] || {
  echo "usage: scripts/onednn3.sh FOLDER" >&2
  exit 2
}
[ ! -e "$1/complete" ] || exit 0
mkdir -p "$1/wheels"
cd "$1"
cat >wheels.txt <<'END'
onednn-cpu-gomp==2023.2.0 --hash=sha256:2f22a54d6a890ed14bfa185d42a4be65d8b5b1df85dc1f0f3a9abe31620416fb
onednn-devel-cpu-gomp==2023.2.0 --hash=sha256:9763c69e8c907e119056bd52ad918ca84ac9ba939d130a99dfa95ccca3e5e284
onednn-devel==2026.1.0 --hash=sha256:5dc592efaed768834ac02d9086b350e08440501b11ea3f6b230a66551c9b5fac
END
if ! python3 -m pip download --quiet --disable-pip-version-check --no-input --retries 1 --timeout 30 --no-deps \
  --only-binary=:all: --require-hashes --requirement wheels.txt --dest wheels >pip.log 2>&1; then
  # pip has one exit code for all.
  if grep -qi 'hashes' pip.log; then
    echo "error: a wheel of oneDNN 3 is not the one that was pinned, see $PWD/pip.log" >&2
    exit 2
  fi
  echo "no oneDNN 3 from PyPI: $(tail -n 1 pip.log)" >&2
  exit 1
fi

# unpack WHEEL FOLDER: what the wheel would install.
unpack() {
  rm -rf unpacked "$2"
  python3 -m zipfile -e "$1" unpacked
  mkdir -p "$2"
  cp -R unpacked/*.data/data/* "$2"
  rm -rf unpacked
}
trap '[ -e complete ] || { echo "error: the wheels of oneDNN 3 in $PWD are not what was expected" >&2; exit 2; }' EXIT
unpack wheels/onednn_cpu_gomp-*.whl library
unpack wheels/onednn_devel_cpu_gomp-*.whl prefix
unpack wheels/onednn_devel-*.whl newest
cp library/lib/libdnnl.so.3 prefix/lib/
ln -sf libdnnl.so.3 prefix/lib/libdnnl.so
rm -rf library wheels
touch complete
