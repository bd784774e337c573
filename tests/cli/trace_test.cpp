// SPDX-License-Identifier: Apache-2.0
// The time line of a run, the picture of it, and what bench says of the bubble.
#include <filesystem>
#include <iostream>
#include <map>
#include <set>

#include "cli/fixture.hpp"
#include "json/json.hpp"

namespace tessera::testing {
namespace {

const std::string kPipeline =
    " --parallel.pipeline 2 --optim.micro_batch 2 --run.threads 1 --parallel.pipeline_schedule ";
constexpr int kMicroBatches = 4;  // of the fixture's batch

struct Span {
  double begin, end;
};

Span span_of(const json::Json& event) {
  const double begin = event.at("ts").as_double();
  return {begin, begin + event.at("dur").as_double()};
}

bool is_of(const json::Json& event, const std::string& category) {
  return event.at("ph").as_string() == "X" && event.at("cat").as_string() == category;
}

/// Names of the actions of `rank` in each step that the trace holds.
std::map<std::string, std::multiset<std::string>> actions_by_step(const json::Json& trace, int rank) {
  std::map<std::string, std::multiset<std::string>> steps;
  for (const json::Json& step : trace.at("traceEvents").as_array()) {
    if (step.at("pid").as_int() != rank || !is_of(step, "step")) continue;
    std::multiset<std::string>& names = steps[step.at("name").as_string()];
    const Span all = span_of(step);
    for (const json::Json& event : trace.at("traceEvents").as_array())
      if (event.at("pid").as_int() == rank && is_of(event, "compute") && span_of(event).begin >= all.begin &&
          span_of(event).end <= all.end)
        names.insert(event.at("name").as_string());
  }
  return steps;
}

/// Each of `works` once for every micro-batch.
std::multiset<std::string> all_of(const std::vector<std::string>& works) {
  std::multiset<std::string> names;
  for (const std::string& work : works)
    for (int micro = 0; micro < kMicroBatches; ++micro) names.insert(work + " " + std::to_string(micro));
  return names;
}

BOOST_FIXTURE_TEST_CASE(a_trace_holds_every_action_of_the_first_steps, RunFixture) {
  const std::string path = run + "/trace.json";
  const std::vector<std::pair<std::string, std::vector<std::string>>> schedules = {
      {"1f1b", {"forward", "backward"}},
      {"zero_bubble --run.steps 22", {"forward", "input gradient", "weight gradient"}}};
  for (const auto& [schedule, works] : schedules) {
    std::filesystem::remove_all(run);
    const ProcessResult result = train(kPipeline + schedule + " --run.trace true", 2);
    BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.output << result.errors);
    const int num_steps = schedule == "1f1b" ? 8 : 20;
    BOOST_TEST(result.output.find("trace of steps 1 to " + std::to_string(num_steps) + ": '" + path + "'") !=
                   std::string::npos,
               result.output);
    const json::Json trace = json::parse(read_file(path), path);
    for (int rank = 0; rank < 2; ++rank) {
      const auto steps = actions_by_step(trace, rank);
      BOOST_TEST(steps.size() == static_cast<std::size_t>(num_steps));
      for (const auto& [step, names] : steps) BOOST_TEST((names == all_of(works)), schedule << ", " << step);
    }
    std::set<std::string> phases;
    for (const json::Json& event : trace.at("traceEvents").as_array())
      if (is_of(event, "phase")) phases.insert(event.at("name").as_string());
    BOOST_TEST((phases == std::set<std::string>{"checkpoint", "evaluation", "gradient sums", "optimizer and gather",
                                                "tied embedding"}));
  }
}

BOOST_FIXTURE_TEST_CASE(a_run_without_trace_writes_none, RunFixture) {
  BOOST_REQUIRE(train("--run.steps 1 --quiet").exit_code == 0);
  BOOST_TEST(!std::filesystem::exists(run + "/trace.json"));
}

BOOST_FIXTURE_TEST_CASE(a_trace_becomes_a_picture, RunFixture) {
  const std::string plot = "/usr/bin/python3 " + shell_quoted(TESSERA_SOURCE_DIR "/scripts/plot_pipeline.py") + " ";
  const std::string picture = folder / "picture.svg";
  expect_error(run_shell(plot + shell_quoted(folder / "nowhere")), 1, "A run writes it with run.trace = true");
  expect_error(run_shell(plot + shell_quoted(config)), 1, "is no trace of tessera");
  const ProcessResult traced = train(
      kPipeline + "interleaved --parallel.virtual_stages 2 --model.layers 4 --run.steps 2 --run.trace true --quiet", 2);
  BOOST_REQUIRE_MESSAGE(traced.exit_code == 0, traced.errors);
  expect_error(run_shell(plot + shell_quoted(run) + " --step 3"), 1, "holds steps 1 to 2, not step 3");
  const ProcessResult drawn = run_shell(plot + shell_quoted(run) + " --step 1 --output " + shell_quoted(picture));
  for (const std::string line : {"step 1, rank 0: bubble 0.", "step 1, rank 1: bubble 0.", "step 1, mean: bubble 0."})
    BOOST_TEST(drawn.output.find(line) != std::string::npos, drawn.output);
  if (run_shell("/usr/bin/python3 -c 'import matplotlib'").exit_code != 0) {
    expect_error(drawn, 2, "python3-matplotlib");
    std::cout << "SKIPPED: matplotlib is not installed\n";
    return;
  }
  BOOST_REQUIRE_MESSAGE(drawn.exit_code == 0, drawn.errors);
  const std::string svg = read_file(picture);
  BOOST_TEST(svg.find("<svg") != std::string::npos);
  for (const std::string label : {"rank 0", "rank 1", "forward", "backward"})
    BOOST_TEST(svg.find(label) != std::string::npos, label);
}

BOOST_FIXTURE_TEST_CASE(bench_measures_the_bubble, RunFixture) {
  const std::string bench =
      " bench --measure 3 --warmup 1 --config " + shell_quoted(config) + kPipeline + "1f1b --model.layers 4";
  const ProcessResult text = run_shell(tessera_on(2) + bench);
  BOOST_REQUIRE_MESSAGE(text.exit_code == 0, text.errors);
  BOOST_TEST(text.output.find("pipeline bubble: measured 0.") != std::string::npos, text.output);
  BOOST_TEST(text.output.find(", formula 0.200 (1f1b, 2 stages, 4 micro-batches)") != std::string::npos, text.output);
  const ProcessResult object = run_shell(tessera_on(2) + bench + " --json");
  const json::Json figures = json::parse(object.output, "bench");
  const double bubble = figures.at("bubble_fraction").as_double();
  BOOST_TEST((bubble > 0 && bubble < 1), bubble);
  BOOST_TEST(figures.at("bubble_formula").as_double() == 0.2, boost::test_tools::tolerance(1e-12));
  for (const char* axis : {"data", "tensor", "pipeline"}) {
    const json::Json& times = figures.at("communication_by_axis").at(axis);
    const bool used = std::string(axis) == "pipeline";
    BOOST_TEST((times.at("waited_seconds").as_double() > 0) == used, axis << object.output);
    BOOST_TEST(times.at("hidden_seconds").as_double() >= 0);
  }
  BOOST_TEST(figures.at("communication_hidden_seconds").as_double() <= figures.at("communication_seconds").as_double());
}

}  // namespace
}  // namespace tessera::testing
