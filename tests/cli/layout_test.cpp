// SPDX-License-Identifier: Apache-2.0
// Layouts that cannot be are refused with what can be; what wastes ranks is warned of; check shows the layout.
#include "cli/fixture.hpp"

namespace tessera::testing {
namespace {

/// "tessera check" of a model of 4 heads and 4 layers.
ProcessResult check(const std::string& options) {
  return run_shell(tessera() +
                   " check --model.vocab 100 --model.layers 4 --model.hidden 32 --model.heads 4 --model.context 16 " +
                   options);
}

BOOST_AUTO_TEST_CASE(each_impossible_layout_has_its_own_message) {
  const std::vector<std::vector<std::string>> cases = {
      {"--ranks 8 --parallel.tensor 3", "cannot share out 8 ranks: use tensor 2 or 4, or start 6 or 9 ranks"},
      {"--ranks 8 --parallel.pipeline 3", "cannot share out 8 ranks: use pipeline 2 or 4, or start 6 or 9 ranks"},
      {"--ranks 8 --parallel.data 3", "takes 3 ranks, but the job has 8: use parallel.data = 8 or auto"},
      {"--ranks 8 --parallel.tensor 8", "use parallel.tensor = 4, or at least 8 heads"},
      {"--ranks 4 --parallel.tensor 4 --model.vocab 3", "without a token of model.vocab = 3: use parallel.tensor = 2"},
      {"--ranks 8 --parallel.pipeline 8", "use parallel.pipeline = 4, or at least 8 layers"},
      {"--parallel.virtual_stages 2", "drop it, or use interleaved"},
      {"--parallel.pipeline_schedule interleaved", "has no use with parallel.pipeline = 1"},
      {"--ranks 2 --parallel.pipeline 2 --parallel.pipeline_schedule interleaved", "stretches of layers a rank: use 2"},
      {"--ranks 2 --parallel.pipeline 2 --parallel.pipeline_schedule interleaved --parallel.virtual_stages 2 "
       "--optim.batch 6 --optim.micro_batch 2",
       "into 3 micro-batch(es), but parallel.pipeline_schedule = interleaved needs a multiple of parallel.pipeline = "
       "2: "
       "use 1 or 3"},
      {"--ranks 2 --parallel.pipeline 2 --parallel.pipeline_schedule interleaved --parallel.virtual_stages 2 "
       "--optim.batch 7",
       "optim.batch = 7 gives a data rank 7 sequence(s)"},
      {"--ranks 8 --parallel.tensor 2 --optim.batch 6", "must divide by the 4 data ranks: use 4 or 8"},
      {"--parallel.sequence true", "parallel.sequence = true has no use"},
      {"--ranks 4 --parallel.pipeline 2 --parallel.zero 2", "use parallel.zero = 1"},
      {"--parallel.wire bf16 --parallel.reduce mpi", "use parallel.reduce = ordered, or parallel.wire = fp32"},
      {"--parallel.zero 3", "parallel.zero = '3' must be a whole number from 0 to 2"},
      {"--parallel.zeros 1", "parallel.zero"}};
  for (const auto& bad : cases) {
    const ProcessResult result = check(bad[0]);
    expect_error(result, 2, bad[1]);
    BOOST_TEST(result.errors.find("problems") == std::string::npos, bad[0] << ": " << result.errors);
  }
  expect_error(check("--ranks 8 --parallel.tensor 3 --parallel.zero 2 --parallel.pipeline 3 --parallel.sequence true "
                     "--parallel.virtual_stages 2"),
               2, "3 problems");
}

BOOST_FIXTURE_TEST_CASE(train_refuses_a_layout_once_for_all_ranks, RunFixture) {
  const ProcessResult result = train("--model.heads 4 --parallel.tensor 3", 2);
  expect_error(result, 2, "cannot share out 2 ranks: use tensor 2, or start 3 ranks");
  BOOST_TEST(result.errors.find("cannot share out") == result.errors.rfind("cannot share out"), result.errors);
}

BOOST_FIXTURE_TEST_CASE(a_tokenizer_with_fewer_tokens_than_tensor_ranks, RunFixture) {
  write_file(folder / "two.txt", std::string(500, 'a') + std::string(500, 'b'));
  const std::string few = shell_quoted(folder / "two.h5");
  BOOST_REQUIRE(run_shell(tessera() + " data prepare --input " + shell_quoted(folder / "two.txt") +
                          " --tokenizer characters --output " + few)
                    .exit_code == 0);
  expect_error(run_shell(tessera() + " check --ranks 8 --config " + shell_quoted(config) + " --data.train " + few +
                         " --model.heads 8 --parallel.tensor 8"),
               2, "without a token of the vocabulary");
}

BOOST_AUTO_TEST_CASE(check_shows_the_layout) {
  const std::string layout =
      "--ranks 8 --parallel.tensor 2 --parallel.pipeline 2 --parallel.sequence true --parallel.zero 1 --optim.batch "
      "64 ";
  const ProcessResult text = check(layout);
  BOOST_TEST(text.exit_code == 0, text.errors);
  BOOST_TEST(text.output.find("layout: data 2, pipeline 2 (1f1b), tensor 2 (sequence), zero 1, wire fp32, reduce "
                              "ordered\n") != std::string::npos,
             text.output);
  BOOST_TEST(text.output.find("over 2 data rank(s), each in 8 micro-batch(es) of 4") != std::string::npos, text.output);
  const ProcessResult object = check(layout + "--json");
  BOOST_TEST(object.output.find("\"layout\":{\"data\":2,\"pipeline\":2,\"tensor\":2,\"pipeline_schedule\":\"1f1b\","
                                "\"virtual_stages\":1,\"sequence\":true,\"zero\":1,\"wire\":\"fp32\",\"reduce\":"
                                "\"ordered\",\"micro_batches\":8,\"gradient_exchanges\":1}") != std::string::npos,
             object.output);
}

BOOST_AUTO_TEST_CASE(check_tells_the_traffic_of_zero_2) {
  const std::string traffic = "zero = 2 sends gradients after every micro-batch: 4 times";
  const std::string options = " --optim.batch 16 --optim.micro_batch 2 --parallel.zero ";
  const ProcessResult two = check("--ranks 2" + options + "2");
  BOOST_TEST(two.output.find(traffic) != std::string::npos, two.output);
  for (const std::string& silent : {"--ranks 2" + options + "1", "--ranks 1" + options + "2"})
    BOOST_TEST(check(silent).output.find("zero = 2 sends") == std::string::npos, silent);
}

BOOST_FIXTURE_TEST_CASE(warnings_stand_on_standard_error_once, RunFixture) {
  const std::string late = "warning: optim.warmup = 9 is longer than run.steps = 8: the run never reaches optim.lr";
  const std::string bench = " bench --measure 1 --warmup 0 --config " + shell_quoted(config) + " --optim.warmup 9";
  for (const ProcessResult& result :
       {train("--optim.warmup 9 --quiet", 2), run_shell(tessera_on(2) + bench + " --run.threads 1"),
        run_shell(tessera() + " check --json --config " + shell_quoted(config) + " --optim.warmup 9")}) {
    BOOST_TEST(result.exit_code == 0, result.errors);
    BOOST_TEST(result.errors.find(late) != std::string::npos, result.errors);
    BOOST_TEST(result.errors.find(late) == result.errors.rfind(late), result.errors);
  }
  const ProcessResult uneven = check("--ranks 3 --parallel.tensor 3");
  BOOST_TEST(uneven.exit_code == 0, uneven.errors);
  BOOST_TEST(uneven.errors.find("warning: model.heads = 4 do not divide by parallel.tensor = 3") != std::string::npos,
             uneven.errors);
  const ProcessResult idle = check("--ranks 4 --parallel.pipeline 4 --optim.batch 2");
  BOOST_TEST(idle.errors.find("ranks stand idle 60% of a step") != std::string::npos, idle.errors);
}

BOOST_FIXTURE_TEST_CASE(bench_adds_gradients_both_ways, RunFixture) {
  const std::string bench = " bench --measure 1 --warmup 0 --run.threads 1 --config " + shell_quoted(config);
  for (const std::string zero : {"0", "2"}) {
    const ProcessResult json = run_shell(tessera_on(2) + bench + " --json --parallel.zero " + zero);
    BOOST_TEST(json.exit_code == 0, json.errors);
    BOOST_TEST(json.output.find("\"gradient_sum_seconds\":{\"ordered\":") != std::string::npos, json.output);
  }
  const ProcessResult text = run_shell(tessera_on(2) + bench + " --parallel.wire bf16");
  BOOST_TEST(text.exit_code == 0, text.errors);
  BOOST_TEST(text.output.find("gradient sum  ordered (wire bf16) ") != std::string::npos, text.output);
  const ProcessResult alone = run_shell(tessera() + bench);
  BOOST_TEST(alone.output.find("gradient sum") == std::string::npos, alone.output);
}

BOOST_FIXTURE_TEST_CASE(the_deep_example_fits_eight_ranks, RunFixture) {
  const ProcessResult result =
      run_shell(tessera() + " check --ranks 8 --config " + shell_quoted(TESSERA_SOURCE_DIR "/configs/runs/deep96.cfg") +
                " --data.train " + shell_quoted(tokens));
  BOOST_TEST(result.exit_code == 0, result.errors);
  BOOST_TEST(result.errors == "");
  BOOST_TEST(result.output.find("layout: data 1, pipeline 4 (1f1b), tensor 2") != std::string::npos, result.output);
}

}  // namespace
}  // namespace tessera::testing
