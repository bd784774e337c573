#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds everything and runs all tests; the last line is "N passed, N failed, N skipped".
#   scripts/test.sh                  all labels, some once more against MPICH and oneDNN 3, and under sanitizers
#   scripts/test.sh --quick          without the sanitizers
#   scripts/test.sh --label unit     one label (unit, golden, mpi, cli, parity, slurm, faults), without the sanitizers
# Label mpi runs against MPICH, too. Where MPICH or oneDNN 3 cannot be had, that is one skipped test each.
set -eu
cd "$(dirname "$0")/.."

label=""
sanitize=yes
while [ $# -gt 0 ]; do
  case "$1" in
    --quick) sanitize=no ;;
    --label)
      label=${2:?"--label needs a name"}
      sanitize=no
      shift
      ;;
    *)
      echo "usage: scripts/test.sh [--quick] [--label NAME]" >&2
      exit 2
      ;;
  esac
  shift
done

scripts/setup.sh test
# shellcheck source=scripts/environment.sh
. scripts/environment.sh

# build PRESET TARGET...: configures, builds one target after the other and says how long each took.
build() {
  preset=$1
  shift
  cmake --preset "$preset" -DTESSERA_TESTS=ON >/dev/null
  for target; do
    start=$(date +%s)
    cmake --build "build/$preset" --target "$target" >"build/$preset/build.log" 2>&1 || {
      cat "build/$preset/build.log"
      return 1
    }
    echo "== $preset: target $target built in $(($(date +%s) - start)) s"
  done
}

# run PRESET LABELS [NAMES]: runs tests and adds their cases to the counts.
passed=0 failed=0 skipped=0
run() {
  log="build/$1/tests.log" status=0
  ctest --test-dir "build/$1" --no-tests=error ${2:+-L "$2"} ${3:+-R "$3"} --verbose >"$log" 2>&1 || status=$?
  counts=$(awk -f scripts/count_tests.awk "$log")
  grep -E 'tests passed|sec\*proc|SKIPPED' "$log" | sort | uniq -c | sed 's/^ *1 //' || true
  # shellcheck disable=SC2086  # three words
  set -- "$1" $counts
  if [ "$status" != 0 ] && [ "$3" = 0 ]; then
    echo "ctest ended with status $status, though no test case failed: $(tail -n 1 "$log")"
    set -- "$1" "$2" 1 "$4"
  fi
  if [ "$3" != 0 ]; then grep -E 'error: |FAILED|\*\*\*|Assertion|Sanitizer|fatal' "$log" | head -n 60; fi
  passed=$((passed + $2)) failed=$((failed + $3)) skipped=$((skipped + $4))
  echo "== $1: $2 passed, $3 failed, $4 skipped"
}

skip() {
  echo "SKIPPED: $1"
  skipped=$((skipped + 1))
}

with_mpich() {
  if ! command -v mpicc.mpich >/dev/null; then
    skip "MPICH is not installed"
  elif ! build mpich all_mpi_tests; then
    failed=$((failed + 1))
  else
    run mpich mpi
  fi
}

with_onednn3() {
  fetched=0
  reason=$(scripts/onednn3.sh build/onednn3 2>&1) || fetched=$?
  if [ "$fetched" = 1 ]; then
    skip "$reason"
  elif [ "$fetched" != 0 ]; then
    echo "$reason"
    failed=$((failed + 1))
  elif ! build onednn3 other_onednn_headers unit_tensor golden_model; then
    failed=$((failed + 1))
  else
    run onednn3 "unit|golden" '^(unit_tensor|golden_model)$'
  fi
}

if ! build release tessera all; then failed=$((failed + 1)); else run release "$label"; fi
case "$label" in '' | mpi) with_mpich ;; esac
[ -n "$label" ] || with_onednn3
if [ "$sanitize" = yes ]; then
  # Leaks of MPI itself are not ours; every other finding ends the test.
  export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1
  if ! build sanitize sanitized_tests; then failed=$((failed + 1)); else run sanitize "unit|golden"; fi
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
