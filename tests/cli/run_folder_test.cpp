// SPDX-License-Identifier: Apache-2.0
// What a run folder is protected from: a second training, full disks, leftovers of crashes, weights that are no
// numbers.
#include <algorithm>
#include <filesystem>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/fixture.hpp"

namespace tessera::testing {
namespace {

namespace fs = std::filesystem;

std::string host_name() {
  char name[256] = {};
  BOOST_REQUIRE(::gethostname(name, sizeof name - 1) == 0);
  return name;
}

std::string lock_text(const std::string& host, const std::string& pid, const std::string& start_ticks = "5") {
  return "{\"host\":\"" + host + "\",\"pid\":" + pid + ",\"start_ticks\":" + start_ticks +
         ",\"job\":\"\",\"restart\":\"\",\"since\":\"2026-01-01 00:00:00\"}\n";
}

BOOST_FIXTURE_TEST_CASE(a_second_training_in_one_folder_is_refused, RunFixture) {
  const std::string train = tessera() + " train --config " + shell_quoted(config);
  const ProcessResult result =
      run_shell(train + " --run.steps 1000000 --quiet & " + wait_for_lines(run + "/metrics.jsonl") + train +
                "; echo second $?; kill -9 $!; wait $!; " + train + " --run.stop_after 1; echo third $?");
  BOOST_TEST(result.output.find("second 2") != std::string::npos, result.output);
  BOOST_TEST(result.errors.find("is in use by process ") != std::string::npos, result.errors);
  BOOST_TEST(result.errors.find(" on " + host_name()) != std::string::npos, result.errors);
  BOOST_TEST(result.output.find("third 0") != std::string::npos, result.output);  // kill -9 leaves a lock
  BOOST_TEST(result.errors.find("it is gone") != std::string::npos, result.errors);
  BOOST_TEST(!fs::exists(run + "/lock"));
}

BOOST_FIXTURE_TEST_CASE(a_lock_of_another_host_counts_for_a_minute, RunFixture) {
  fs::create_directories(run);
  for (const std::string& text : {lock_text("elsewhere", "1"), std::string("half a lo")}) {
    write_file(run + "/lock", text);
    expect_error(train("--run.stop_after 1"), 2, "is in use by");
    BOOST_TEST(read_file(run + "/lock") == text);
    BOOST_REQUIRE(run_shell("touch -d '2 minutes ago' " + shell_quoted(run + "/lock")).exit_code == 0);
    expect_error(train("--run.stop_after 1", 2), 0, "it is gone");
  }
  // A process with the number of the one that is gone.
  write_file(run + "/lock", lock_text(host_name(), std::to_string(::getpid())));
  expect_error(train("--run.stop_after 1"), 0, "it is gone");
}

/// In a container whose first process waits for nobody such a process stays as long as the container.
BOOST_FIXTURE_TEST_CASE(a_lock_of_a_process_that_nobody_waited_for_is_taken_over, RunFixture) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  BOOST_REQUIRE(child > 0);
  const std::string pid = std::to_string(child);
  const ProcessResult ticks =
      run_shell("for i in $(seq 6000); do grep -q ') Z ' /proc/" + pid + "/stat && break; sleep 0.01; done; " +
                "sed 's/.*) //' /proc/" + pid + "/stat | cut -d ' ' -f 20 | tr -d '\\n'");
  fs::create_directories(run);
  write_file(run + "/lock", lock_text(host_name(), pid, ticks.output));
  const ProcessResult result = train("--run.stop_after 1");
  ::waitpid(child, nullptr, 0);
  expect_error(result, 0, "it is gone");
}

BOOST_FIXTURE_TEST_CASE(a_full_disk_is_named_and_leaves_no_file, RunFixture) {
  // A limit on the size of files fails like a full disk; MPI's own files stay below it.
  const ProcessResult result =
      run_shell("trap '' XFSZ; ulimit -f 12000; " + tessera() + " train --config " + shell_quoted(config) +
                " --model.hidden 256 --model.heads 8 --run.stop_after 1");
  expect_error(result, 1, "step 1: checkpoint '" + run + "/checkpoints/step-00000001.h5' cannot be saved");
  BOOST_TEST(result.errors.find("free space") != std::string::npos, result.errors);
  BOOST_TEST(fs::is_empty(run + "/checkpoints"));
}

BOOST_FIXTURE_TEST_CASE(leftovers_of_a_crash_are_removed_and_said, RunFixture) {
  fs::create_directories(run + "/checkpoints");
  const std::string leftover = run + "/checkpoints/step-00000003.h5.tmp", other = run + "/checkpoints/mine.tmp";
  write_file(leftover, "half");
  write_file(other, "not ours");
  expect_error(train("--run.stop_after 1"), 0, "removed '" + leftover + "'");
  BOOST_TEST(!fs::exists(leftover));
  BOOST_TEST(fs::exists(other));
}

BOOST_FIXTURE_TEST_CASE(weights_that_are_not_finite_are_never_saved, RunFixture) {
  const std::string blown_up = " --optim.lr 1e39 --optim.min_lr 1e39 --optim.warmup 0";
  expect_error(train("--run.stop_after 1" + blown_up), 3, "no checkpoint was saved before");
  BOOST_REQUIRE(train("--run.stop_after 2").exit_code == 0);
  const ProcessResult result =
      train("--checkpoint.interval 1 --optim.on_nonfinite skip --optim.max_skips 100" + blown_up, 2);
  expect_error(result, 3, "the checkpoint of step 2 is sound");
  BOOST_TEST(!fs::exists(run + "/checkpoints/step-00000003.h5"));
}

BOOST_FIXTURE_TEST_CASE(a_text_without_bytes_has_no_bits_per_byte, RunFixture) {
  BOOST_REQUIRE(train("--run.stop_after 1").exit_code == 0);
  write_file(folder / "one.txt", "a");  // its one target is the end token
  const ProcessResult result = run_shell(tessera() + " evaluate --json --checkpoint " + shell_quoted(run) + " --data " +
                                         shell_quoted(folder / "one.txt"));
  BOOST_TEST(result.output.find("\"bits_per_byte\":null") != std::string::npos, result.output << result.errors);
}

}  // namespace
}  // namespace tessera::testing
