// SPDX-License-Identifier: Apache-2.0
// How tests show that a run resumed: one that ignored its checkpoint and started over would end with the same bits, as
// data and noise are pure functions of the step.
#pragma once

#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "cli/fixture.hpp"

namespace tessera::testing {

/// The lines of a metrics file without what depends on time and machine.
inline std::vector<std::string> comparable_metrics(const std::string& path) {
  std::vector<std::string> lines;
  std::istringstream file(read_file(path));
  for (std::string line; std::getline(file, line);) {
    const std::size_t seconds = line.find("\"seconds\"");
    lines.push_back(line.substr(0, seconds));
  }
  return lines;
}

/// Every weight and moment as text that tells all floats apart. The texts of /run differ in run.dir and stop_after.
inline std::string tensors(const std::string& checkpoint) {
  const ProcessResult dump = run_shell("h5dump -g /model -g /optimizer -m '%.9g' " + shell_quoted(checkpoint));
  BOOST_REQUIRE_MESSAGE(dump.exit_code == 0, dump.errors);
  return dump.output.substr(dump.output.find('{'));
}

/// Stops a run after step 5 of 8 and starts it again: it equals one that never stopped, and it really resumed.
inline void resume_equals_undisturbed(const RunFixture& run, int ranks, const std::string& options = "") {
  BOOST_REQUIRE(run.train(options + " --run.dir " + shell_quoted(run.folder / "whole"), ranks).exit_code == 0);
  BOOST_REQUIRE(run.train(options + " --run.stop_after 5", ranks).exit_code == 0);
  const ProcessResult second = run.train(options, ranks);
  BOOST_REQUIRE_MESSAGE(second.exit_code == 0, second.errors);
  BOOST_TEST(second.output.find("\nvocab = 257\n") != std::string::npos, second.output);  // auto, resolved

  BOOST_TEST(comparable_metrics(run.run + "/metrics.jsonl") == comparable_metrics(run.folder / "whole/metrics.jsonl"),
             boost::test_tools::per_element());
  BOOST_TEST((tensors(run.run + "/checkpoints/step-00000008.h5") ==
              tensors(run.folder / "whole/checkpoints/step-00000008.h5")));
  // The file was opened, and the first step is the checkpoint's step + 1.
  BOOST_TEST(second.output.find("step-00000005.h5") != std::string::npos, second.output);
  BOOST_TEST(second.output.find("step 6/8") != std::string::npos, second.output);
  BOOST_TEST(second.output.find("step 5/8") == std::string::npos, second.output);
}

/// Stops a run after step 4 and goes on from its checkpoint and from a copy with one changed weight: false if no copy
/// can be changed here.
inline bool changes_the_result(const RunFixture& run, int ranks, const std::string& options = "") {
  namespace fs = std::filesystem;
  if (run_shell("/usr/bin/python3 -c 'import h5py'").exit_code != 0) return false;
  BOOST_REQUIRE(run.train(options + " --run.stop_after 4", ranks).exit_code == 0);
  fs::copy(run.run, run.folder / "changed", fs::copy_options::recursive);
  const std::string last = "/checkpoints/step-00000008.h5";
  const ProcessResult change =
      run_shell("/usr/bin/python3 " + shell_quoted(TESSERA_SOURCE_DIR "/tests/cli/change_weight.py") + " " +
                shell_quoted(run.folder / "changed/checkpoints/step-00000004.h5"));
  BOOST_REQUIRE_MESSAGE(change.exit_code == 0, change.errors);
  BOOST_REQUIRE(run.train(options, ranks).exit_code == 0);
  BOOST_REQUIRE(run.train(options + " --run.dir " + shell_quoted(run.folder / "changed"), ranks).exit_code == 0);
  BOOST_TEST((tensors(run.run + last) != tensors(run.folder / ("changed" + last))));
  return true;
}

}  // namespace tessera::testing
