// SPDX-License-Identifier: Apache-2.0
// Runs over tensor, pipeline and data ranks: they resume, and every other layout reads their checkpoints.
#include <cmath>
#include <filesystem>

#include "cli/resume.hpp"
#include "json/json.hpp"

namespace tessera::testing {
namespace {

namespace fs = std::filesystem;

/// The same run stopped and resumed, and resumed from a changed weight.
void resumes(const RunFixture& run, int ranks, const std::string& layout) {
  resume_equals_undisturbed(run, ranks, layout);
  fs::remove_all(run.run);
  if (!changes_the_result(run, ranks, layout)) std::cout << "SKIPPED: python3-h5py is not installed\n";
}

BOOST_FIXTURE_TEST_CASE(data_and_tensor_ranks_resume_bit_equal, RunFixture) {
  resumes(*this, 4, "--parallel.tensor 2 --parallel.sequence true --parallel.zero 1");
}
BOOST_FIXTURE_TEST_CASE(pipeline_and_tensor_ranks_resume_bit_equal, RunFixture) {
  resumes(*this, 4, "--parallel.tensor 2 --parallel.pipeline 2");
}
BOOST_FIXTURE_TEST_CASE(data_and_interleaved_pipeline_ranks_resume_bit_equal, RunFixture) {
  resumes(*this, 4,
          "--model.layers 4 --parallel.pipeline 2 --parallel.pipeline_schedule interleaved --parallel.virtual_stages 2"
          " --parallel.zero 1");
}

/// Stopped in one layout and continued in others: losses are those of the run that never stopped, as near as layouts
/// are to each other.
BOOST_FIXTURE_TEST_CASE(a_run_goes_on_in_another_layout, RunFixture) {
  const std::string layout = "--parallel.tensor 2 --parallel.pipeline 2";
  BOOST_REQUIRE(train(layout + " --run.dir " + shell_quoted(folder / "whole"), 4).exit_code == 0);
  const std::vector<double> whole = metric_values(read_file(folder / "whole/metrics.jsonl"), "loss");
  BOOST_REQUIRE(train(layout + " --run.stop_after 4", 4).exit_code == 0);
  const std::vector<std::pair<int, std::string>> others = {{1, ""},
                                                           {4, "--parallel.zero 2"},
                                                           {2, "--parallel.pipeline 2"},
                                                           {2, "--parallel.tensor 2 --parallel.sequence true"}};
  for (const auto& [ranks, other] : others) {
    const std::string dir = folder / "other";
    fs::remove_all(dir);
    fs::copy(run, dir, fs::copy_options::recursive);
    const ProcessResult result = train(other + " --run.dir " + shell_quoted(dir), ranks);
    BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.errors);
    BOOST_TEST(result.output.find("step 5/8") != std::string::npos, result.output);
    BOOST_TEST(result.output.find("step 4/8") == std::string::npos, result.output);
    const std::vector<double> losses = metric_values(read_file(dir + "/metrics.jsonl"), "loss");
    BOOST_REQUIRE_EQUAL(losses.size(), 8U);
    for (std::size_t step = 0; step < losses.size(); ++step)
      BOOST_TEST(std::abs(losses[step] - whole[step]) <= 2e-6 * whole[step],
                 other << ", step " << step + 1 << ": " << losses[step] << " and " << whole[step]);
  }
}

/// Output of a command as JSON, on ranks of the layout.
json::Json asked(int ranks, const std::string& command) {
  const ProcessResult result = run_shell((ranks == 1 ? tessera() : tessera_on(ranks)) + " " + command + " --json");
  BOOST_REQUIRE_MESSAGE(result.exit_code == 0, command << "\n" << result.errors);
  return json::parse(result.output, command);
}

/// Layouts that read the checkpoint of tensor 2 x pipeline 2, beside one process.
const std::vector<std::pair<int, std::string>> kReaders = {
    {4, " --tensor 2 --pipeline 2"}, {2, " --tensor 2"}, {2, " --pipeline 2"}};

struct MeshRun : RunFixture {
  std::string checkpoint = " --checkpoint " + shell_quoted(run);
  MeshRun() { BOOST_REQUIRE(train("--parallel.tensor 2 --parallel.pipeline 2", 4).exit_code == 0); }
};

BOOST_FIXTURE_TEST_CASE(every_layout_evaluates_to_the_same_loss, MeshRun) {
  const double one = asked(1, "evaluate" + checkpoint).at("metrics").at("loss").as_double();
  const std::vector<double> trained = metric_values(read_file(run + "/metrics.jsonl"), "valid_loss");
  BOOST_TEST(std::abs(trained.back() - one) <= 2e-6 * one);
  for (const auto& [ranks, layout] : kReaders) {
    const json::Json result = asked(ranks, "evaluate" + checkpoint + layout);
    const double loss = result.at("metrics").at("loss").as_double();
    BOOST_TEST(result.at("step").as_int() == 8);
    BOOST_TEST(std::abs(loss - one) <= 2e-6 * one, layout << ": " << loss << " and " << one);
    if (layout == " --pipeline 2") BOOST_TEST(loss == one);
  }
  const double two_data_ranks = asked(4, "evaluate" + checkpoint + " --tensor 2").at("metrics").at("loss").as_double();
  BOOST_TEST(std::abs(two_data_ranks - one) <= 2e-6 * one);
}

BOOST_FIXTURE_TEST_CASE(every_layout_generates_the_same_text, MeshRun) {
  const std::string generate =
      "generate" + checkpoint + " --prompt 'The king ' --prompt 'A stone' --tokens 40 --seed 5";
  const json::Json one = asked(1, generate);
  BOOST_TEST(!one.at("generations").as_array()[1].at("text").as_string().empty());
  for (const auto& [ranks, layout] : kReaders) BOOST_TEST(asked(ranks, generate + layout).dump() == one.dump(), layout);
}

BOOST_FIXTURE_TEST_CASE(every_layout_scores_alike, MeshRun) {
  write_file(folder / "line.txt", "The river\nand a stone, longer than the context of sixteen tokens");
  const std::string score = "score" + checkpoint + " --next 5 " + shell_quoted(folder / "line.txt");
  const json::Json one = asked(1, score);
  for (const auto& [ranks, layout] : kReaders) {
    const json::Json other = asked(ranks, score + layout);
    for (const char* list : {"tokens", "next"}) {
      const json::Array &expected = one.at(list).as_array(), &scored = other.at(list).as_array();
      BOOST_REQUIRE_EQUAL(scored.size(), expected.size());
      for (std::size_t i = 0; i < scored.size(); ++i) {
        BOOST_TEST(scored[i].at("id").as_int() == expected[i].at("id").as_int());
        const double a = scored[i].at("log_probability").as_double(), b = expected[i].at("log_probability").as_double();
        BOOST_TEST(std::abs(a - b) <= 1e-5 * std::abs(b), layout << ", " << list << " " << i << ": " << a << ", " << b);
      }
    }
  }
}

}  // namespace
}  // namespace tessera::testing
