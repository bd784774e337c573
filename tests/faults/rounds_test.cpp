// SPDX-License-Identifier: Apache-2.0
// What CI plays of tessera_faults. CONTRIBUTING.md says how the long mode is run.
#include <boost/test/unit_test.hpp>
#include <iostream>

#include "faults/plan.hpp"
#include "json/json.hpp"
#include "support/process.hpp"

namespace tessera::faults {
namespace {

using testing::ProcessResult;
using testing::run_shell;

ProcessResult faults(const std::string& options) {
  return run_shell(testing::shell_quoted(TESSERA_FAULTS) + " --json " + options);
}

BOOST_AUTO_TEST_CASE(nothing_is_lost_corrupt_or_hangs_in_sixty_rounds) {
  const ProcessResult result = faults("--rounds 60 --seed 7");
  BOOST_TEST(result.exit_code == 0, result.errors << result.output);
  BOOST_REQUIRE(!result.output.empty());
  const json::Json report = json::parse(result.output, "tessera_faults --json");
  BOOST_TEST(report.at("rounds").as_int() == 60);
  for (const char* none : {"lost", "corrupt", "hangs", "other"}) BOOST_TEST(report.at(none).as_int() == 0, none);
  for (const char* point : point_names) BOOST_TEST(report.at("points").at(point).at("hit").as_int() >= 1, point);
  for (const char* fault : fault_names) BOOST_TEST(report.at("faults").at(fault).at("hit").as_int() >= 1, fault);
  if (!report.at("means").find("disk full by mount"))
    std::cout << "SKIPPED: no file system can be mounted here, disks are full by a quota only\n";
}

BOOST_AUTO_TEST_CASE(no_power_cut_loses_a_checkpoint) {
  const ProcessResult result = faults("--replay");
  BOOST_TEST(result.exit_code == 0, result.errors << result.output);
}

/// A replay that cannot fail proves nothing.
BOOST_AUTO_TEST_CASE(a_forgotten_flush_loses_checkpoints) {
  for (const std::string flush : {"tiles", "file", "folder"}) {
    const ProcessResult result = faults("--replay --forget " + flush);
    BOOST_TEST(result.exit_code == 1, flush << ": exit code " << result.exit_code << result.errors);
    BOOST_REQUIRE(!result.output.empty());
    const json::Json report = json::parse(result.output, "tessera_faults --json");
    for (const char* saves : {"synchronous", "asynchronous"}) {
      BOOST_TEST(report.at(saves).at("lost").as_int() > 0, flush << ", " << saves);
      // Without the folder's flush the name is lost, not what it names.
      BOOST_TEST((report.at(saves).at("unsound").as_int() > 0) == (flush != "folder"), flush << ", " << saves);
    }
  }
}

BOOST_AUTO_TEST_CASE(unknown_options_are_refused) {
  for (const std::string options : {"", "--rounds x", "--rounds 0", "--rounds 5 --ranks 7", "--replay --forget all",
                                    "--rounds 5 --forget file", "--rounds 5 --replay"})
    BOOST_TEST(faults(options).exit_code == 2, options);
}

}  // namespace
}  // namespace tessera::faults
