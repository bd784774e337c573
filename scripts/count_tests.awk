# SPDX-License-Identifier: Apache-2.0
# Reads the log of `ctest --verbose`, prints "passed failed skipped" test cases. Boost.Test reports its cases at the
# end of each program; "SKIPPED" lines are printed by cases that lack something. A program that ended without a report
# (a crash, a time-out, nothing to run) is one failed case, and so is a verdict that is not known here. Ranks of one
# program report once.
function close_program() {
  if (program == "") return
  if (!reported) failed += 1
  program = ""
}
/^test [0-9]+$/ { close_program(); program = $2; reported = 0; delete seen }
/ test cases? out of [0-9]+ / && program != "" {
  for (i = 1; i < NF; ++i) {
    # "N test cases out of M VERDICT"
    if ($i ~ /^[0-9]+$/ && $(i + 1) == "test") { count = $i; verdict = $(i + 6); break }
  }
  if (!(verdict in seen)) {
    seen[verdict] = 1
    if (verdict == "passed") passed += count
    else if (verdict == "skipped") skipped += count
    else failed += count
  }
  reported = 1
}
/SKIPPED: / && program != "" { skip_lines += 1 }
END {
  close_program()
  printf "%d %d %d\n", passed - skip_lines, failed, skipped + skip_lines
}
