// SPDX-License-Identifier: Apache-2.0
// A run that was stopped and started again equals one that never stopped, and it really resumed: a run that ignored its
// checkpoint and started over would end with the same bits, as data and noise are pure functions of the step.
#include "cli/resume.hpp"

#include <algorithm>
#include <filesystem>

namespace tessera::testing {
namespace {

namespace fs = std::filesystem;

BOOST_FIXTURE_TEST_CASE(one_process_resumes_bit_equal, RunFixture) {
  resume_equals_undisturbed(*this, 1);
}
BOOST_FIXTURE_TEST_CASE(two_ranks_resume_bit_equal, RunFixture) {
  resume_equals_undisturbed(*this, 2);
}

/// Stopped in the middle of a batch ramp and of the decay.
BOOST_FIXTURE_TEST_CASE(a_ramp_over_a_mixture_resumes_bit_equal, RunFixture) {
  fs::copy(tokens, folder / "other.h5");
  for (const int ranks : {1, 2}) {
    resume_equals_undisturbed(*this, ranks,
                              "--data.train=" + shell_quoted(tokens + ":0.7, " + folder / "other.h5:0.3") +
                                  " --data.document_mask=true --optim.lr_schedule=wsd --optim.decay=0.5"
                                  " --optim.batch_start=2 --optim.batch_ramp=400");
    fs::remove_all(run);
    fs::remove_all(folder / "whole");
  }
}

BOOST_FIXTURE_TEST_CASE(a_changed_weight_changes_the_result, RunFixture) {
  if (!changes_the_result(*this, 1)) std::cout << "SKIPPED: python3-h5py is not installed\n";
}

BOOST_FIXTURE_TEST_CASE(any_number_of_threads_gives_the_same_bits, RunFixture) {
  BOOST_REQUIRE(train("--run.threads 1").exit_code == 0);
  for (const std::string threads : {"2", "3"}) {
    const std::string other = folder / ("threads" + threads);
    BOOST_REQUIRE(train("--run.threads " + threads + " --run.dir " + shell_quoted(other)).exit_code == 0);
    BOOST_TEST((tensors(run + "/checkpoints/step-00000008.h5") == tensors(other + "/checkpoints/step-00000008.h5")));
  }
}

BOOST_FIXTURE_TEST_CASE(a_finished_run_does_nothing_more, RunFixture) {
  BOOST_REQUIRE(train("").exit_code == 0);
  const std::string before = read_file(run + "/metrics.jsonl");
  const ProcessResult again = train("");
  BOOST_TEST(again.exit_code == 0);
  BOOST_TEST(again.output.find("nothing to train") != std::string::npos, again.output);
  BOOST_TEST(read_file(run + "/metrics.jsonl") == before);
}

BOOST_FIXTURE_TEST_CASE(a_model_of_another_shape_is_refused_with_every_key, RunFixture) {
  BOOST_REQUIRE(train("--run.stop_after 1").exit_code == 0);
  const ProcessResult result = train("--model.layers 3 --model.activation relu");
  expect_error(result, 2, "model.layers");
  expect_error(result, 2, "model.activation");
  BOOST_TEST(read_file(run + "/config.cfg").find("layers = 2") != std::string::npos);  // still that of the checkpoint
  BOOST_TEST(!fs::exists(run + "/config.cfg.tmp"));
}

BOOST_FIXTURE_TEST_CASE(what_changes_the_course_of_the_run_is_noted, RunFixture) {
  BOOST_REQUIRE(train("--run.stop_after 1").exit_code == 0);
  fs::copy(tokens, folder / "other.h5");
  const ProcessResult result =
      train("--run.steps 9 --run.stop_after 1 --data.train " + shell_quoted(folder / "other.h5"));
  BOOST_TEST(result.exit_code == 0, result.errors);
  BOOST_TEST(result.output.find("run.steps: 8 in the checkpoint, 9 now") != std::string::npos, result.output);
  BOOST_TEST(result.output.find("data.train: ") != std::string::npos, result.output);
  BOOST_TEST(result.output.find("run.stop_after: ") == std::string::npos, result.output);
  BOOST_TEST(train("--run.stop_after 1 --quiet").output == "");
}

BOOST_FIXTURE_TEST_CASE(other_tokens_under_the_same_name_are_noted, RunFixture) {
  BOOST_REQUIRE(train("--run.stop_after 1").exit_code == 0);
  BOOST_TEST(train("--run.stop_after 1").output.find("tokens of data.train") == std::string::npos);
  std::string text = read_file(folder / "text.txt");
  std::reverse(text.begin(), text.end());
  write_file(folder / "text.txt", text);
  fs::remove(tokens);
  BOOST_REQUIRE(run_shell(tessera() + " data prepare --input " + shell_quoted(folder / "text.txt") +
                          " --tokenizer bytes --output " + shell_quoted(tokens))
                    .exit_code == 0);
  const ProcessResult result = train("--run.stop_after 1");
  BOOST_TEST(result.exit_code == 0, result.errors);
  BOOST_TEST(result.output.find("the tokens of data.train: ") != std::string::npos, result.output);
}

BOOST_FIXTURE_TEST_CASE(generate_evaluate_and_score_read_the_run, RunFixture) {
  BOOST_REQUIRE(train("").exit_code == 0);
  const std::string model = " --checkpoint " + shell_quoted(run);
  const ProcessResult once = run_shell(tessera() + " generate" + model + " --prompt 'The king ' --tokens 40 --seed 5");
  BOOST_TEST(once.exit_code == 0, once.errors);
  BOOST_TEST(once.output.starts_with("The king "));
  BOOST_TEST(once.output ==
             run_shell(tessera() + " generate" + model + " --prompt 'The king ' --tokens 40 --seed 5").output);
  BOOST_TEST(once.output !=
             run_shell(tessera() + " generate" + model + " --prompt 'The king ' --tokens 40 --seed 6").output);
  BOOST_TEST(run_shell(tessera() + " generate" + model + " --tokens 5 --seed 18446744073709551615").exit_code == 0);
  expect_error(run_shell(tessera() + " score" + model + " " + shell_quoted(folder.path())), 2, "is a folder");

  const ProcessResult evaluated = run_shell(tessera() + " evaluate" + model + " --json");
  BOOST_TEST(evaluated.exit_code == 0, evaluated.errors);
  const std::string metrics = read_file(run + "/metrics.jsonl");
  const std::size_t at = evaluated.output.find("\"loss\":");
  BOOST_REQUIRE(at != std::string::npos);
  const std::string loss = evaluated.output.substr(at + 7, 8);  // the same loss that training wrote at its end
  BOOST_TEST(metrics.find("\"valid_loss\":" + loss) != std::string::npos, evaluated.output);

  write_file(folder / "line.txt", "The river\nand a stone");
  const ProcessResult scored =
      run_shell(tessera() + " score" + model + " --json --next 3 " + shell_quoted(folder / "line.txt"));
  BOOST_TEST(scored.exit_code == 0, scored.errors);
  BOOST_TEST(scored.output.find("\"next\"") != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(ids_beyond_the_tokenizer_are_neither_drawn_nor_listed, RunFixture) {
  BOOST_REQUIRE(train("--model.vocab 2000 --run.stop_after 1").exit_code == 0);
  const std::string model = " --checkpoint " + shell_quoted(run);
  const ProcessResult drawn = run_shell(tessera() + " generate" + model + " --tokens 50 --temperature 100 --json");
  BOOST_TEST(drawn.exit_code == 0, drawn.errors);
  write_file(folder / "line.txt", "The river");
  const ProcessResult listed =
      run_shell(tessera() + " score" + model + " --next 2000 " + shell_quoted(folder / "line.txt"));
  BOOST_TEST(listed.exit_code == 0, listed.errors);
  const std::string next = listed.output.substr(listed.output.find("most likely next tokens:\n"));
  BOOST_TEST(std::count(next.begin(), next.end(), '\n') == 1 + 257, listed.output);
}

}  // namespace
}  // namespace tessera::testing
