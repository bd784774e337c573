#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Layout (clang-format), floors and file sizes (scripts/lint.py), shell scripts (shellcheck). `--fix` lays out in place.
set -eu
cd "$(dirname "$0")/.."
sources=$(find src io parallel tests -name '*.cpp' -o -name '*.hpp' | sort)
failed=0
if [ "${1:-}" = --fix ]; then
  # shellcheck disable=SC2086  # a list of paths without spaces
  clang-format -i $sources
fi
# shellcheck disable=SC2086
clang-format --dry-run --Werror $sources || failed=1
python3 scripts/lint.py || failed=1
shellcheck .ci/run scripts/*.sh slurm/*.sbatch slurm/*.example || failed=1
[ "$failed" = 0 ] && echo "lint: clean"
exit "$failed"
