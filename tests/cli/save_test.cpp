// SPDX-License-Identifier: Apache-2.0
// Saves that go on beside training, and saves that fail.
#include <filesystem>
#include <iterator>

#include "checkpoint/file_reader.hpp"
#include "cli/resume.hpp"

namespace tessera::testing {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> sums_of(const std::string& path) {
  const checkpoint::FileReader file(path);
  std::vector<std::string> sums;
  for (const auto& tensor : file.tensors()) sums.push_back(tensor.path + " " + tensor.sum);
  return sums;
}

BOOST_FIXTURE_TEST_CASE(a_copy_holds_the_step_at_which_it_was_made, RunFixture) {
  // So slow a writer that training has long gone on when the file of step 4 gets its name.
  const std::string slow = folder / "slow";
  for (const int ranks : {1, 2}) {
    const ProcessResult result = train(
        "--checkpoint.write_rate 1MB --run.steps 40 --checkpoint.interval 4 --run.dir " + shell_quoted(slow), ranks);
    BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.errors);
    const std::size_t named = result.output.find("step-00000004.h5");
    BOOST_REQUIRE_MESSAGE(named != std::string::npos, result.output);
    BOOST_TEST(result.output.find("step 5/40") < named, result.output);
    BOOST_REQUIRE(train("--checkpoint.async false --run.steps 40 --run.stop_after 12", ranks).exit_code == 0);
    for (const std::string file : {"/checkpoints/step-00000004.h5", "/checkpoints/step-00000008.h5"})
      BOOST_TEST((sums_of(slow + file) == sums_of(run + file)), file);
    fs::remove_all(slow);
    fs::remove_all(run);
  }
}

BOOST_FIXTURE_TEST_CASE(resumed_from_a_save_beside_training_it_equals_an_undisturbed_run, RunFixture) {
  resume_equals_undisturbed(*this, 2, "--checkpoint.async true --checkpoint.interval 1");
}

BOOST_FIXTURE_TEST_CASE(multiples_are_kept_for_good, RunFixture) {
  BOOST_REQUIRE(train("--checkpoint.interval 1 --checkpoint.keep 2 --checkpoint.keep_every 3").exit_code == 0);
  for (int step = 1; step <= 8; ++step) {
    const bool stays = step >= 7 || step % 3 == 0;
    BOOST_TEST(fs::exists(run + "/checkpoints/step-0000000" + std::to_string(step) + ".h5") == stays, step);
  }
}

BOOST_FIXTURE_TEST_CASE(stripes_are_said_to_have_no_effect_where_they_have_none, RunFixture) {
  const ProcessResult result = train("--run.stop_after 1 --checkpoint.stripe 4");
  expect_error(result, 0, "checkpoint.stripe = 4 has no effect: '" + run + "/checkpoints' is not on Lustre");
}

/// A limit of the size of files stands for a full disk: the same error of write(), without a disk to fill.
struct FullDisk : RunFixture {
  ProcessResult train_without_room(const std::string& options, int ranks) const {
    std::string launcher = tessera_on(ranks);
    launcher.resize(launcher.size() -
                    shell_quoted(TESSERA_BINARY).size());  // each rank is limited, and MPI takes no large files
    return run_shell("OMPI_MCA_btl=self,tcp " + launcher +
                     "sh -c 'trap \"\" XFSZ; ulimit -f 150; exec \"$0\" \"$@\"' " + shell_quoted(TESSERA_BINARY) +
                     " train --config " + shell_quoted(config) + " " + options);
  }
  bool has_leftovers() const {
    for (const auto& entry : fs::directory_iterator(run + "/checkpoints"))
      if (entry.path().extension() == ".tmp") return true;
    return false;
  }
};

BOOST_FIXTURE_TEST_CASE(a_save_that_fails_ends_the_run_with_all_that_was_saved_before, FullDisk) {
  for (const std::string async : {"true", "false"})
    for (const int ranks : {1, 2}) {
      const std::string options = "--checkpoint.async " + async;
      BOOST_REQUIRE(train(options + " --run.stop_after 3", ranks).exit_code == 0);
      const std::string before = read_file(run + "/checkpoints/step-00000003.h5");
      const ProcessResult result = train_without_room(options, ranks);
      expect_error(result, 1, "step 4: checkpoint '" + run + "/checkpoints/step-00000004.h5' cannot be saved: ");
      expect_error(result, 1, "File too large");
      expect_error(result, 1, "Check free space, quota and permissions");
      BOOST_TEST(!has_leftovers());
      BOOST_TEST((read_file(run + "/checkpoints/step-00000003.h5") == before));
      const ProcessResult again = train(options, ranks);
      BOOST_TEST(again.exit_code == 0, again.errors);
      BOOST_TEST(again.output.find("resumed from '" + run + "/checkpoints/step-00000003.h5'") != std::string::npos);
      fs::remove_all(run);
    }
}

BOOST_FIXTURE_TEST_CASE(training_goes_on_if_asked_but_does_not_end_well_unsaved, FullDisk) {
  BOOST_REQUIRE(train("--run.stop_after 3", 2).exit_code == 0);
  const ProcessResult result = train_without_room("--checkpoint.on_failure continue", 2);
  BOOST_TEST(result.output.find("Training goes on (checkpoint.on_failure = continue)") != std::string::npos,
             result.output);
  BOOST_TEST(result.output.find("step 8/8") != std::string::npos, result.output);
  expect_error(result, 1, "step 8: checkpoint");
  BOOST_TEST(!has_leftovers());
  BOOST_TEST(fs::exists(run + "/checkpoints/step-00000003.h5"));
  BOOST_TEST(comparable_metrics(run + "/metrics.jsonl").size() >= 8u);
}

BOOST_FIXTURE_TEST_CASE(bench_measures_checkpoints, RunFixture) {
  fs::create_directories(folder / "bench");
  for (const std::string mine : {"/step-00000000.h5", "/step-00000001.h5", "/plain"})
    write_file(folder / "bench" + mine, "mine");
  for (const std::string layout : {"--parallel.zero 1", "--parallel.tensor 2"}) {
    const ProcessResult result = run_shell(tessera_on(2) + " bench --run.threads 1 --config " + shell_quoted(config) +
                                           " " + layout + " --json --checkpoint " + shell_quoted(folder / "bench"));
    BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.errors);
    for (const std::string key : {"size_bytes", "write_share", "read_share", "lost_seconds", "plain_write_cpu_seconds"})
      BOOST_TEST(metric_values(result.output, key).size() == 1u, key);
    BOOST_TEST(metric_values(result.output, "write_share").at(0) > 0);
    BOOST_TEST(std::distance(fs::directory_iterator(folder / "bench"), fs::directory_iterator()) == 3);
    BOOST_TEST(read_file(folder / "bench/plain") == "mine");
  }
}

}  // namespace
}  // namespace tessera::testing
