// SPDX-License-Identifier: Apache-2.0
// Runs in other precisions and with other instruction sets: bf16 learns as fp32 does, initial weights are the same
// everywhere, and whatever is chosen, the number of threads changes no bit.
#include <cmath>
#include <iostream>
#include <numeric>
#include <vector>

#include "cli/fixture.hpp"
#include "tensor/library.hpp"

namespace tessera::testing {
namespace {

bool skipped_without_bf16() {
  if (tensor::has_bf16_products()) return false;
  std::cout << "SKIPPED: this CPU multiplies no bf16 (AVX512-BF16)" << std::endl;
  return true;
}

BOOST_FIXTURE_TEST_CASE(two_hundred_steps_in_bf16_follow_fp32, RunFixture) {
  if (skipped_without_bf16()) return;
  constexpr std::size_t last = 20;  // steps whose mean is compared: single batches differ by more than precisions do
  std::vector<double> losses, valid_losses;
  for (const std::string precision : {"fp32", "bf16"}) {
    const std::string dir = folder / precision;
    const ProcessResult result = train(
        "--run.steps 200 --run.eval_interval 0 --checkpoint.interval 0 --model.hidden 64 --model.context 32 "
        "--optim.lr 3e-3 --optim.warmup 10 --run.precision " +
        precision + " --run.dir " + shell_quoted(dir));
    BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.errors);
    const std::string metrics = read_file(dir + "/metrics.jsonl");
    const std::vector<double> loss = metric_values(metrics, "loss"), valid = metric_values(metrics, "valid_loss");
    BOOST_REQUIRE_EQUAL(loss.size(), 200u);
    BOOST_REQUIRE(!valid.empty());
    losses.push_back(std::accumulate(loss.end() - last, loss.end(), 0.0) / last);
    valid_losses.push_back(valid.back());
    BOOST_TEST(losses.back() < loss.front() / 2, "it has learned nothing: " << loss.front() << " to " << losses.back());
  }
  BOOST_TEST_MESSAGE("fp32 " << losses[0] << ", bf16 " << losses[1] << "; held out " << valid_losses[0] << ", "
                             << valid_losses[1]);
  BOOST_TEST(std::abs(losses[1] - losses[0]) <= 0.01 * losses[0], losses[1] << " in bf16, " << losses[0] << " in fp32");
  BOOST_TEST(std::abs(valid_losses[1] - valid_losses[0]) <= 0.01 * valid_losses[0],
             valid_losses[1] << " in bf16, " << valid_losses[0] << " in fp32, held out");
  BOOST_TEST(losses[1] != losses[0]);  // it was another precision
}

/// The weights of the newest checkpoint of a run of two steps as text, all digits; "" if the CPU lacks `isa`.
std::string weights(const RunFixture& run, const std::string& isa, const std::string& options) {
  const std::string dir = run.folder / "isa";
  const ProcessResult result =
      run_shell("rm -rf " + shell_quoted(dir) + "; TESSERA_ISA=" + isa + " " + tessera() + " train --config " +
                shell_quoted(run.config) + " --run.steps 2 --run.dir " + shell_quoted(dir) + " " + options);
  if (result.exit_code != 0 && result.errors.find("has no AVX-512") != std::string::npos) return "";
  BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.errors);
  BOOST_TEST(result.errors.find("training in fp32") == std::string::npos, result.errors);
  const ProcessResult dump =
      run_shell("h5dump -g /model -m '%.9g' " + shell_quoted(dir + "/checkpoints/step-00000002.h5"));
  BOOST_REQUIRE_MESSAGE(dump.exit_code == 0, dump.errors);
  return dump.output.substr(dump.output.find('{'));
}

BOOST_FIXTURE_TEST_CASE(initial_weights_are_the_same_for_every_instruction_set, RunFixture) {
  const std::string nothing_learned = "--optim.lr 0 --optim.min_lr 0";
  const std::string v3 = weights(*this, "v3", nothing_learned), v4 = weights(*this, "v4", nothing_learned);
  if (v4.empty()) {
    std::cout << "SKIPPED: this CPU has no AVX-512" << std::endl;
    return;
  }
  BOOST_TEST((v3 == v4));
  BOOST_TEST((v3 != weights(*this, "v3", nothing_learned + " --run.seed 4")));
}

BOOST_FIXTURE_TEST_CASE(threads_change_no_bit_in_any_precision_and_instruction_set, RunFixture) {
  for (const std::string isa : {"v3", "v4"})
    for (const std::string precision : {"fp32", "bf16"}) {
      if (precision == "bf16" && isa == "v3") continue;  // trains in fp32, as another test shows
      if (precision == "bf16" && skipped_without_bf16()) continue;
      const std::string options =
          "--model.attention alternating --model.window 5 --run.precision " + precision + " --run.threads ";
      const std::string one = weights(*this, isa, options + "1");
      if (one.empty()) continue;  // the test above says so
      for (const std::string threads : {"2", "7", "16"})
        BOOST_TEST((weights(*this, isa, options + threads) == one),
                   isa << ", " << precision << ": " << threads << " threads change bits");
    }
}

BOOST_FIXTURE_TEST_CASE(without_bf16_products_a_run_warns_and_trains_in_fp32, RunFixture) {
  const ProcessResult result =
      run_shell("TESSERA_ISA=v3 " + tessera() + " train --config " + shell_quoted(config) + " --run.precision bf16");
  BOOST_TEST(result.exit_code == 0, result.errors);
  BOOST_TEST(result.errors.find("warning: run.precision = bf16") != std::string::npos, result.errors);
  BOOST_TEST(result.output.find("precision = fp32") != std::string::npos, result.output);
}

}  // namespace
}  // namespace tessera::testing
