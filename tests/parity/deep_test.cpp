// SPDX-License-Identifier: Apache-2.0
// Deep models over the pipeline of eight ranks: layers that divide by nothing, and the example of 96 layers.
#include <algorithm>
#include <cmath>

#include "cli/fixture.hpp"

namespace tessera::testing {
namespace {

struct Losses {
  std::vector<double> of_steps;
  std::string digest;  // of the last weights
};

/// Losses of a run of `ranks` ranks, and what its checkpoint calls its weights.
Losses run_of(const std::string& dir, int ranks, int steps, const std::string& options) {
  const ProcessResult result =
      run_shell((ranks == 1 ? tessera() : tessera_on(ranks)) + " train --run.dir " + shell_quoted(dir) + " " + options);
  BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.output << result.errors);
  const ProcessResult dump =
      run_shell("h5dump -a /model/digest " +
                shell_quoted(dir + "/checkpoints/step-0000000" + std::to_string(steps) + ".h5") + " | grep '(0)'");
  BOOST_REQUIRE_MESSAGE(dump.exit_code == 0, dump.errors);
  Losses losses{metric_values(read_file(dir + "/metrics.jsonl"), "loss"), dump.output};
  BOOST_REQUIRE_EQUAL(losses.of_steps.size(), static_cast<std::size_t>(steps));
  return losses;
}

/// 124 layers over 8 stages, the head counted: 16 and 15 to a stage, and fewer at the last one.
BOOST_FIXTURE_TEST_CASE(a_pipeline_of_uneven_stages_has_the_bits_of_one_process, RunFixture) {
  const std::string options = "--config " + shell_quoted(config) +
                              " --run.steps 2 --checkpoint.interval 0 --model.layers 124 --model.hidden 16"
                              " --optim.batch 8 --optim.micro_batch 1 ";
  const Losses one = run_of(folder / "one", 1, 2, options);
  for (const std::string schedule : {"1f1b", "zero_bubble"}) {
    const Losses eight =
        run_of(folder / schedule, 8, 2, options + "--parallel.pipeline 8 --parallel.pipeline_schedule " + schedule);
    BOOST_TEST(eight.of_steps == one.of_steps, boost::test_tools::per_element());
    BOOST_TEST(eight.digest == one.digest);
  }
}

BOOST_FIXTURE_TEST_CASE(the_example_of_96_layers_trains_on_eight_ranks_as_on_one, RunFixture) {
  const std::string options = "--config " + shell_quoted(TESSERA_SOURCE_DIR "/configs/runs/deep96.cfg") +
                              " --data.train " + shell_quoted(tokens) + " --run.stop_after 5 ";
  const Losses one = run_of(folder / "one", 1, 5, options + "--parallel.tensor 1 --parallel.pipeline 1");
  const Losses eight = run_of(folder / "eight", 8, 5, options);
  double largest = 0;
  for (std::size_t step = 0; step < one.of_steps.size(); ++step)
    largest = std::max(largest, std::abs(eight.of_steps[step] - one.of_steps[step]) / one.of_steps[step]);
  std::printf("96 layers over pipeline 4 x tensor 2: losses of 5 steps differ by at most %.1e\n", largest);
  BOOST_TEST(largest <= 2e-6);
  BOOST_TEST(eight.of_steps.back() < eight.of_steps.front());
}

}  // namespace
}  // namespace tessera::testing
