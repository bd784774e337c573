// SPDX-License-Identifier: Apache-2.0
#include "config/warnings.hpp"

#include <boost/test/unit_test.hpp>
#include <functional>

#include "config/validate.hpp"

namespace tessera::testing {
namespace {

using namespace tessera::config;

/// All warnings of a valid configuration, a line each.
std::string warnings_of(int ranks, const std::function<void(Config&)>& change) {
  Config config;  // 12 layers, 12 heads
  change(config);
  BOOST_TEST(validate(config, ranks).empty());
  std::string all;
  for (const std::string& warning : warnings(config, ranks)) all += (all.empty() ? "" : "\n") + warning;
  return all;
}

BOOST_AUTO_TEST_CASE(warnings_of_layouts_that_waste_ranks) {
  const auto tensor = [](std::int64_t ranks) { return [=](Config& config) { config.parallel.tensor = ranks; }; };
  BOOST_TEST(warnings_of(4, tensor(4)) == "");
  BOOST_TEST(warnings_of(5, tensor(5)) ==
             "model.heads = 12 do not divide by parallel.tensor = 5: the busiest rank computes 3 of them, 125% of the "
             "mean (even: tensor 4 or 6)");
  const auto pipeline = [](std::int64_t batch, const std::string& schedule) {
    return [=](Config& config) {
      config.parallel.pipeline = 4;
      config.parallel.pipeline_schedule = schedule;
      config.optim.batch = batch;
      config.optim.micro_batch = 2;
    };
  };
  BOOST_TEST(warnings_of(8, pipeline(16, "1f1b")) == "");
  BOOST_TEST(warnings_of(8, pipeline(12, "gpipe")) ==
             "optim.batch = 12 makes 3 micro-batch(es) of 2 a data rank, fewer than parallel.pipeline = 4: ranks stand "
             "idle 50% of a step (use a smaller optim.micro_batch, a larger batch or fewer stages)");
  BOOST_TEST(warnings_of(8, pipeline(12, "zero_bubble")).find("ranks stand idle (use") != std::string::npos);
  BOOST_TEST(warnings_of(8, [&](Config& config) {
               pipeline(12, "1f1b")(config);
               config.optim.micro_batch = 0;  // not yet known
             }) == "");
}

BOOST_AUTO_TEST_CASE(warning_of_a_warmup_longer_than_the_run) {
  const auto run = [](std::int64_t steps, std::int64_t warmup) {
    return [=](Config& config) {
      config.run.steps = steps;
      config.optim.warmup = warmup;
    };
  };
  BOOST_TEST(warnings_of(1, run(100, 100)) == "");
  BOOST_TEST(warnings_of(1, run(0, 100)) == "");
  BOOST_TEST(warnings_of(1, run(100, 101)) ==
             "optim.warmup = 101 is longer than run.steps = 100: the run never reaches optim.lr = 0.0006");
}

}  // namespace
}  // namespace tessera::testing
