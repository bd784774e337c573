// SPDX-License-Identifier: Apache-2.0
// Several token files, a batch ramp, a warmup-stable-decay schedule and a document mask in one run, as a user meets
// them.
#include <cmath>
#include <filesystem>
#include <sstream>
#include <vector>

#include "cli/fixture.hpp"

namespace tessera::testing {
namespace {

/// A file of one text and one of many short documents, and the options that train on both.
struct MixtureFixture : RunFixture {
  std::string other = folder / "other.h5";
  std::string options = "--data.train=" + shell_quoted(tokens + ":0.75, " + other + ":0.25") +
                        " --data.document_mask=true --optim.lr_schedule=wsd --optim.decay=0.5 --optim.batch_start=2"
                        " --optim.batch_ramp=240 ";

  MixtureFixture() {
    std::filesystem::create_directory(folder / "lines");
    for (int i = 0; i < 200; ++i) write_file(folder / ("lines/" + std::to_string(i)), "The king " + std::to_string(i));
    const ProcessResult prepared = run_shell(tessera() + " data prepare --input " + shell_quoted(folder / "lines") +
                                             " --tokenizer bytes --output " + shell_quoted(other));
    BOOST_REQUIRE_MESSAGE(prepared.exit_code == 0, prepared.errors);
  }
};

BOOST_FIXTURE_TEST_CASE(tokens_and_rates_follow_the_step_and_each_file_is_evaluated, MixtureFixture) {
  const ProcessResult result = train(options);
  BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.errors);
  const std::string metrics = read_file(run + "/metrics.jsonl");
  // Windows of 16: batches of 2, 2, 2, then 4 from 80 tokens on, 6 from 160, and 8 from 240.
  const std::vector<double> tokens_seen = {32, 64, 96, 160, 256, 384, 512, 640};
  BOOST_TEST(metric_values(metrics, "tokens") == tokens_seen, boost::test_tools::per_element());
  const std::vector<double> lr = {5e-4, 1e-3, 1e-3, 1e-3, 7.75e-4, 5.5e-4, 3.25e-4, 1e-4};
  BOOST_TEST(metric_values(metrics, "lr") == lr, boost::test_tools::tolerance(1e-9)
                                                     << boost::test_tools::per_element());
  for (const double loss : metric_values(metrics, "loss")) BOOST_TEST(std::abs(loss - std::log(257)) < 0.3);  // a mean
  const ProcessResult dump = run_shell("h5dump -a /run/tokens " + shell_quoted(run + "/checkpoints/step-00000004.h5"));
  BOOST_TEST(dump.output.find("(0): 160\n") != std::string::npos, dump.output << dump.errors);

  const std::vector<double> parts = metric_values(metrics, "file_loss"), whole = metric_values(metrics, "valid_loss");
  BOOST_REQUIRE((parts.size() == 4 && whole.size() == 2));
  for (std::size_t i = 0; i < 2; ++i)
    BOOST_TEST(whole[i] == 0.75 * parts[2 * i] + 0.25 * parts[2 * i + 1], boost::test_tools::tolerance(1e-9));
  BOOST_TEST(result.output.find("validation loss of '" + other + "'") != std::string::npos, result.output);

  const ProcessResult evaluated = run_shell(tessera() + " evaluate --checkpoint " + shell_quoted(run) + " --json");
  BOOST_TEST(evaluated.exit_code == 0, evaluated.errors);
  BOOST_TEST(metric_values(evaluated.output, "loss").front() == whole.back(), boost::test_tools::tolerance(1e-5));
  BOOST_TEST(evaluated.output.find("\"files\":[{\"file\":\"" + tokens) != std::string::npos, evaluated.output);
}

BOOST_FIXTURE_TEST_CASE(ranks_do_not_change_the_run, MixtureFixture) {
  BOOST_REQUIRE(train(options).exit_code == 0);
  BOOST_REQUIRE(train(options + "--run.dir " + shell_quoted(folder / "two"), 2).exit_code == 0);
  const std::string one = read_file(run + "/metrics.jsonl"), two = read_file(folder / "two/metrics.jsonl");
  for (const std::string key : {"loss", "valid_loss", "file_loss", "tokens"})
    BOOST_TEST(metric_values(one, key) == metric_values(two, key), boost::test_tools::tolerance(1e-5)
                                                                       << boost::test_tools::per_element());
}

BOOST_FIXTURE_TEST_CASE(the_mask_and_the_mixture_change_the_loss, MixtureFixture) {
  const auto first_loss = [&](const std::string& more, const std::string& name) {
    const std::string dir = folder / name;
    BOOST_REQUIRE(train(options + more + " --run.stop_after 1 --run.dir " + shell_quoted(dir)).exit_code == 0);
    return metric_values(read_file(dir + "/metrics.jsonl"), "loss").front();
  };
  const double loss = first_loss("--optim.batch_start=8 --optim.batch=64", "with");
  BOOST_TEST(loss != first_loss("--optim.batch_start=8 --optim.batch=64 --data.document_mask=false", "unmasked"));
  BOOST_TEST(loss != first_loss("--optim.batch_start=8 --optim.batch=64 --data.train=" + shell_quoted(tokens), "one"));
}

BOOST_FIXTURE_TEST_CASE(files_of_different_tokenizers_are_refused_with_both_names, MixtureFixture) {
  const ProcessResult prepared = run_shell(tessera() + " data prepare --input " + shell_quoted(folder / "text.txt") +
                                           " --tokenizer characters --output " + shell_quoted(folder / "chars.h5"));
  BOOST_REQUIRE_MESSAGE(prepared.exit_code == 0, prepared.errors);
  for (const std::string& bad :
       {"--data.train=" + shell_quoted(tokens + ":1," + folder / "chars.h5:1"),
        "--data.valid_fraction=0 --data.valid=" + shell_quoted(tokens + "," + folder / "chars.h5")}) {
    const ProcessResult result = train(bad, 2);
    expect_error(result, 2, "'" + folder / "chars.h5'");
    expect_error(result, 2, "another tokenizer than '" + tokens + "'");
  }
}

}  // namespace
}  // namespace tessera::testing
