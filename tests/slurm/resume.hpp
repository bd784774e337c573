// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/core.h>
#include <string>
#include <vector>

#include "cli/resume.hpp"
#include "slurm/job.hpp"

namespace tessera::testing {

/// To be set before submit(): the second start trains five steps more.
inline void let_second_start_end(JobFixture& run) {
  run.later = "--run.stop_after=5 --run.log_interval=1";
}

/// The step of the last checkpoint that a log tells of, 0 if it tells of none.
inline std::int64_t last_saved_step(const std::string& log) {
  const std::size_t line = log.rfind(": checkpoint '");
  return line == std::string::npos ? 0 : std::stoll(log.substr(log.rfind("step ", line) + 5));
}

/// The step that the first start told of in a log went on from, 0 if none did.
inline std::int64_t resumed_step(const std::string& log) {
  const std::size_t line = log.find("\nresumed from '"), step = log.find("' (step ", line);
  return line == std::string::npos || step == std::string::npos ? 0 : std::stoll(log.substr(step + 8));
}

/// Lets a job that is requeued train five steps more, and shows that it went on from its newest checkpoint.
inline void resumes_bit_equal(const JobFixture& run) {
  run.wait_for_end("COMPLETED");
  BOOST_TEST(run.job("Restarts") == "1");
  BOOST_TEST(run.job("ExitCode") == "0:0");
  const std::string log = run.log();
  const std::size_t second_start = log.find("start 1: ");
  BOOST_REQUIRE_MESSAGE(log.find("start 0: ") < second_start, "the log was not appended to\n" << log);
  const std::string first = log.substr(0, second_start), second = log.substr(second_start);
  // A rank may have died between a save and the line that tells of it.
  const std::int64_t saved = resumed_step(second), end = saved + 5;
  BOOST_TEST(saved >= last_saved_step(first), log);
  BOOST_TEST(saved > 0, log);
  const std::size_t step = second.find("\nstep ");
  BOOST_REQUIRE_MESSAGE(step != std::string::npos, second);
  BOOST_TEST(second.substr(step).starts_with(fmt::format("\nstep {}/", saved + 1)), second);

  std::vector<double> steps;
  for (std::int64_t i = 1; i <= end; ++i) steps.push_back(static_cast<double>(i));
  BOOST_TEST(metric_values(read_file(run.metrics), "step") == steps, boost::test_tools::per_element());

  const std::string whole = run.folder / "whole";
  const ProcessResult undisturbed = run.train_alone("--run.log_interval=1000000 --run.dir=" + shell_quoted(whole) +
                                                    " --run.stop_after=" + std::to_string(end));
  BOOST_REQUIRE_MESSAGE(undisturbed.exit_code == 0, undisturbed.errors);
  const std::string last = fmt::format("/checkpoints/step-{:08}.h5", end);
  BOOST_TEST((comparable_metrics(run.metrics) == comparable_metrics(whole + "/metrics.jsonl")));
  BOOST_TEST((tensors(run.run + last) == tensors(whole + last)));
}

}  // namespace tessera::testing
