#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds everything and runs all tests; the last line is "N passed, N failed, N skipped".
#   scripts/test.sh                  all labels, and unit and golden tests once more under sanitizers
#   scripts/test.sh --quick          without the sanitizers
#   scripts/test.sh --label unit     one label (unit, golden, mpi, cli, parity, slurm, faults), without the sanitizers
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

# run PRESET LABELS: runs tests and adds their cases to the counts.
passed=0 failed=0 skipped=0
run() {
  log="build/$1/tests.log" status=0
  ctest --test-dir "build/$1" --no-tests=error ${2:+-L "$2"} --verbose >"$log" 2>&1 || status=$?
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

if ! build release tessera all; then failed=$((failed + 1)); else run release "$label"; fi
if [ "$sanitize" = yes ]; then
  # Leaks of MPI itself are not ours; every other finding ends the test.
  export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1
  if ! build sanitize sanitized_tests; then failed=$((failed + 1)); else run sanitize "unit|golden"; fi
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
