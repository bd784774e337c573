// SPDX-License-Identifier: Apache-2.0
// A signal in the middle of a step, of an evaluation, of a save: acted on where it comes, and the run goes on as if it
// had not.
#include "cli/stop.hpp"

#include "base/stopwatch.hpp"

namespace tessera::testing {
namespace {

namespace fs = std::filesystem;

const std::string kSignal = "kill -USR1 $job; ";

/// So many products lie in the first forward of an evaluation, or in the one behind it: before the first poll.
constexpr int kForwardProducts = 25;

BOOST_FIXTURE_TEST_CASE(in_the_middle_of_a_step_of_a_pipeline, StopFixture) {
  const std::string pipeline = "--parallel.pipeline 2 --optim.batch 16 --optim.micro_batch 1 --checkpoint.interval 0";
  // Some micro-batches of 16 of step 3 are through the last stage.
  const SignalGate in_step = gate({.call = "product", .log = metrics, .lines = 2, .count = 100, .rank = 1});
  const ProcessResult first = train_until(in_step, 2, pipeline, kSignal);
  BOOST_TEST(first.exit_code == 85, first.exit_code << first.output << first.errors);
  BOOST_TEST(newest_checkpoint() == 3);
  goes_on_as_undisturbed(2, pipeline);
}

BOOST_FIXTURE_TEST_CASE(of_one_rank_only_stops_all, StopFixture) {
  const SignalGate in_step =
      gate({.call = "product", .log = metrics, .lines = 6, .rank = 1});  // five steps and an evaluation
  const ProcessResult first = train_until(in_step, 2, "", "kill -USR1 $(cat " + in_step.reached() + "); ");
  BOOST_TEST(first.exit_code == 85, first.exit_code << first.output << first.errors);
  BOOST_TEST(newest_checkpoint() == 6);
  BOOST_TEST(first.output.find("stop requested of rank 1 on ") != std::string::npos, first.output);
  goes_on_as_undisturbed(2, "");
}

/// The evaluation of step 4 is given up, nothing of it is told, and the next start does it first.
void stops_in_an_evaluation(const StopFixture& run, int ranks, const std::string& options) {
  const SignalGate in_evaluation =
      run.gate({.call = "product", .log = run.metrics, .lines = 4, .count = kForwardProducts, .rank = ranks - 1});
  const ProcessResult first = run.train_until(in_evaluation, ranks, options, kSignal);
  BOOST_TEST(first.exit_code == 85, first.exit_code << first.output << first.errors);
  BOOST_TEST(run.newest_checkpoint() == 4);
  BOOST_TEST(read_file(run.metrics).find("valid") == std::string::npos);
  BOOST_TEST(first.output.find("validation loss") == std::string::npos, first.output);
  const ProcessResult second = run.goes_on_as_undisturbed(ranks, options);
  BOOST_TEST(second.output.find("step 4: validation loss") < second.output.find("step 5/8"), second.output);
}

BOOST_FIXTURE_TEST_CASE(in_the_middle_of_an_evaluation, StopFixture) {
  stops_in_an_evaluation(*this, 1, "--data.valid_fraction 0.4");
}
BOOST_FIXTURE_TEST_CASE(in_the_middle_of_an_evaluation_of_a_pipeline, StopFixture) {
  stops_in_an_evaluation(*this, 2, "--data.valid_fraction 0.4 --parallel.pipeline 2");
}
BOOST_FIXTURE_TEST_CASE(in_the_middle_of_an_evaluation_of_two_files, StopFixture) {
  fs::copy(tokens, folder / "other.h5");
  stops_in_an_evaluation(*this, 2,
                         "--data.valid_fraction 0 --data.valid=" + shell_quoted(tokens + ", " + folder / "other.h5"));
}

/// No step is left, but the evaluation of the last one is: 85, and the next start does that and no more.
BOOST_FIXTURE_TEST_CASE(in_the_evaluation_of_the_last_step, StopFixture) {
  const std::string options = "--data.valid_fraction 0.4 --run.eval_interval 0";
  const SignalGate in_evaluation = gate({.call = "product", .log = metrics, .lines = 8, .count = kForwardProducts});
  const ProcessResult first = train_until(in_evaluation, 1, options, kSignal);
  BOOST_TEST(first.exit_code == 85, first.exit_code << first.output << first.errors);
  BOOST_TEST(newest_checkpoint() == 8);
  const ProcessResult second = goes_on_as_undisturbed(1, options);
  BOOST_TEST(second.output.find("step 8: validation loss") != std::string::npos, second.output);
  BOOST_TEST(second.output.find("checkpoint '") == std::string::npos, second.output);
}

/// The save of step 4 is finished, and neither another step nor another save is begun.
BOOST_FIXTURE_TEST_CASE(in_the_middle_of_a_save, StopFixture) {
  const std::string options = "--checkpoint.async false";
  const SignalGate in_save = gate({.call = "write", .file = "step-00000004.h5.tmp", .count = 3, .rank = 1});
  const ProcessResult first = train_until(in_save, 2, options, kSignal);
  BOOST_TEST(first.exit_code == 85, first.exit_code << first.output << first.errors);
  BOOST_TEST(newest_checkpoint() == 4);
  BOOST_TEST(count_of("checkpoint '", first.output) == 1, first.output);
  goes_on_as_undisturbed(2, options);
}

/// A save beside training, so throttled that it would take a minute: the run stops with the step it is at. Rank 1
/// writes tiles only.
BOOST_FIXTURE_TEST_CASE(beside_a_throttled_save, StopFixture) {
  const std::string model = "--model.hidden 160 --checkpoint.async true --run.steps 16 ",
                    rate = "--checkpoint.write_rate 64KiB";
  const SignalGate in_save = gate({.call = "write", .file = "step-00000004.h5.tmp", .count = 2, .rank = 1});
  const base::Clock::time_point begin = base::Clock::now();
  const ProcessResult first = train_until(in_save, 2, model + rate, wait_for_lines(metrics, 6) + kSignal);
  BOOST_TEST(first.exit_code == 85, first.exit_code << first.output << first.errors);
  BOOST_TEST(base::seconds_since(begin) < 45);
  BOOST_TEST(newest_checkpoint() >= 6);
  BOOST_TEST(fs::exists(run + "/checkpoints/step-00000004.h5"));
  goes_on_as_undisturbed(2, model);
}

/// Step 8's save waits for that of step 4.
BOOST_FIXTURE_TEST_CASE(while_a_save_waits_for_the_one_before, StopFixture) {
  const std::string options = "--checkpoint.async true --run.steps 16";
  const SignalGate in_save = gate({.call = "write", .file = "step-00000004.h5.tmp", .count = 2, .rank = 1});
  // Ten lines: of eight steps and two evaluations.
  const ProcessResult first = train_until(in_save, 2, options, wait_for_lines(metrics, 10) + kSignal);
  BOOST_TEST(first.exit_code == 85, first.exit_code << first.output << first.errors);
  BOOST_TEST(newest_checkpoint() == 8);
  BOOST_TEST(count_of("step 8: checkpoint '", first.output) == 1, first.output);
  goes_on_as_undisturbed(2, options);
}

/// The signal waits for the thread that takes it, before anything else of the training: the start saves what it has.
BOOST_FIXTURE_TEST_CASE(before_the_first_step, StopFixture) {
  const auto asked = [&](const std::string& more) {
    return run_shell("OMP_NUM_THREADS=1 env --block-signal=USR1 sh -c 'kill -USR1 $$; exec \"$0\" \"$@\"' " +
                     shell_quoted(TESSERA_BINARY) + " train --config " + shell_quoted(config) + " " + more);
  };
  const ProcessResult first = asked("");
  BOOST_TEST(first.exit_code == 85, first.exit_code << first.output << first.errors);
  BOOST_TEST(newest_checkpoint() == 0);
  BOOST_REQUIRE(train("--run.stop_after 3").exit_code == 0);
  const ProcessResult second = asked("");  // nothing that is not saved already
  BOOST_TEST(second.exit_code == 85, second.exit_code << second.output << second.errors);
  BOOST_TEST(count_of("checkpoint '", second.output) == 0, second.output);
  goes_on_as_undisturbed(1, "");
}

BOOST_FIXTURE_TEST_CASE(two_signals_within_ten_seconds_are_one_request, StopFixture) {
  const SignalGate in_step = gate({.call = "product", .log = metrics, .lines = 2, .signals = 2});
  const ProcessResult first = train_until(in_step, 1, "", kSignal + wait_for_request() + kSignal);
  BOOST_TEST(first.exit_code == 85, first.exit_code << first.output << first.errors);
  BOOST_TEST(newest_checkpoint() == 3);
  BOOST_TEST(
      count_of("stop requested (SIGUSR1): saving after this step; again after 10 s ends at once\n", first.output) == 1,
      first.output);
  goes_on_as_undisturbed(1, "");
}

BOOST_FIXTURE_TEST_CASE(a_second_signal_after_ten_seconds_ends_at_once, StopFixture) {
  const std::string save = "--checkpoint.interval 2 --checkpoint.async false";
  // Held for good: the second signal finds it there.
  const SignalGate in_step = gate({.call = "product", .log = metrics, .lines = 3, .signals = 3});
  const ProcessResult first = train_until(in_step, 1, save, kSignal + wait_for_request() + "sleep 12; " + kSignal);
  BOOST_TEST(first.exit_code == 128 + 10, first.exit_code << first.output << first.errors);
  BOOST_TEST(newest_checkpoint() == 2);
  goes_on_as_undisturbed(1, save);
}

/// Steps that were to be done are done: nothing was cut short.
BOOST_FIXTURE_TEST_CASE(in_the_last_step_of_a_start_it_ends_well, StopFixture) {
  const SignalGate in_step = gate({.call = "product", .log = metrics, .lines = 2});
  const ProcessResult first = train_until(in_step, 1, "--run.stop_after 3", kSignal);
  BOOST_TEST(first.exit_code == 0, first.exit_code << first.output << first.errors);
  BOOST_TEST(newest_checkpoint() == 3);
  goes_on_as_undisturbed(1, "");
}

}  // namespace
}  // namespace tessera::testing
