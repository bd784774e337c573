// SPDX-License-Identifier: Apache-2.0
#include "config/layout.hpp"

#include <boost/test/unit_test.hpp>
#include <functional>

#include "config/remedies.hpp"
#include "config/validate.hpp"

namespace tessera::testing {
namespace {

using namespace tessera::config;

Config config_of(const std::function<void(Config&)>& change) {
  Config config;  // 12 layers, 12 heads
  change(config);
  return config;
}

/// The messages of all problems, a line each.
std::string problems_of(int ranks, const std::function<void(Config&)>& change) {
  std::string all;
  for (const Problem& problem : validate(config_of(change), ranks)) {
    BOOST_TEST(problem.message.starts_with(problem.key + " = "), problem.message);
    all += (all.empty() ? "" : "\n") + problem.message;
  }
  return all;
}

std::function<void(Config&)> axes(std::int64_t tensor, std::int64_t pipeline, const std::string& data = "auto") {
  return [=](Config& config) {
    config.parallel.tensor = tensor;
    config.parallel.pipeline = pipeline;
    config.parallel.data = data;
  };
}

std::function<void(Config&)> interleaved(std::int64_t pipeline, std::int64_t virtual_stages, std::int64_t batch = 0,
                                         std::int64_t micro_batch = 0) {
  return [=](Config& config) {
    config.parallel.pipeline = pipeline;
    config.parallel.virtual_stages = virtual_stages;
    config.parallel.pipeline_schedule = "interleaved";
    config.optim.batch = batch;
    config.optim.micro_batch = micro_batch;
  };
}

BOOST_AUTO_TEST_CASE(data_ranks_are_what_tensor_and_pipeline_leave) {
  const auto layout = [](int ranks, const std::function<void(Config&)>& change) {
    BOOST_TEST(problems_of(ranks, change) == "");
    return layout_of(config_of(change), ranks);
  };
  BOOST_TEST((layout(6, axes(1, 1)) == Layout{6, 1, 1}));
  BOOST_TEST((layout(24, axes(2, 4)) == Layout{3, 4, 2}));
  BOOST_TEST((layout(24, axes(2, 4, "3")) == Layout{3, 4, 2}));
  BOOST_TEST((layout(5, axes(5, 1)) == Layout{1, 1, 5}));  // 12 heads need not divide
  BOOST_TEST((layout(5, axes(1, 5)) == Layout{1, 5, 1}));  // nor do 12 layers
  Config config = config_of(interleaved(4, 2));
  BOOST_TEST(describe(config.parallel, {2, 4, 1}) ==
             "data 2, pipeline 4 (interleaved, 2 virtual stages), tensor 1, zero 0, wire fp32, reduce ordered");
  config.parallel = {};
  config.parallel.zero = 1;
  config.parallel.sequence = true;
  BOOST_TEST(describe(config.parallel, {1, 1, 2}) ==
             "data 1, pipeline 1, tensor 2 (sequence), zero 1, wire fp32, reduce ordered");
}

BOOST_AUTO_TEST_CASE(ranks_that_cannot_be_shared_out) {
  const auto expect = [](int ranks, const std::function<void(Config&)>& change, const std::string& message) {
    BOOST_TEST(problems_of(ranks, change) == message);
  };
  expect(8, axes(3, 1),
         "parallel.tensor = 3 x parallel.pipeline = 1 cannot share out 8 ranks: use tensor 2 or 4, or start 6 or 9 "
         "ranks");
  expect(8, axes(1, 3),
         "parallel.pipeline = 3 x parallel.tensor = 1 cannot share out 8 ranks: use pipeline 2 or 4, or start 6 or 9 "
         "ranks");
  expect(8, axes(4, 4),
         "parallel.tensor = 4 x parallel.pipeline = 4 cannot share out 8 ranks: use tensor 2, or pipeline 2, or start "
         "16 ranks");
  expect(8, axes(3, 5),
         "parallel.tensor = 3 x parallel.pipeline = 5 cannot share out 8 ranks: use tensor 2 x pipeline 4, or start "
         "15 ranks");
  expect(1, axes(2, 1),
         "parallel.tensor = 2 x parallel.pipeline = 1 cannot share out 1 rank: use tensor 1, or start 2 ranks");
  // What is named must be possible for the model: 12 heads, 12 layers.
  expect(26, axes(12, 1),
         "parallel.tensor = 12 x parallel.pipeline = 1 cannot share out 26 ranks: use tensor 2, or start 24 or 36 "
         "ranks");
  expect(2, axes(1, 1, "3"),
         "parallel.data = 3 x parallel.tensor = 1 x parallel.pipeline = 1 takes 3 ranks, but the job has 2: use "
         "parallel.data = 2 or auto, or start 3 ranks");
  expect(8, axes(3, 1, "2"),
         "parallel.data = 2 x parallel.tensor = 3 x parallel.pipeline = 1 takes 6 ranks, but the job has 8: use "
         "parallel.data = auto and tensor 2 or 4, or start 6 ranks");
  expect(8, axes(2, 2, "4"),
         "parallel.data = 4 x parallel.tensor = 2 x parallel.pipeline = 2 takes 16 ranks, but the job has 8: use "
         "parallel.data = 2 or auto, or start 16 ranks");
}

BOOST_AUTO_TEST_CASE(models_too_small_for_their_ranks) {
  BOOST_TEST(problems_of(16, axes(16, 1)) ==
             "parallel.tensor = 16 leaves ranks without one of model.heads = 12: use parallel.tensor = 8, or at least "
             "16 heads");
  BOOST_TEST(problems_of(16, axes(16, 1, "1")) ==
             "parallel.tensor = 16 leaves ranks without one of model.heads = 12: use parallel.tensor = 8 with "
             "parallel.data = auto, or at least 16 heads");
  BOOST_TEST(
      problems_of(8,
                  [](Config& config) {
                    config.parallel.tensor = 8;
                    config.model.vocab = 5;
                  }) ==
      "parallel.tensor = 8 leaves ranks without a token of model.vocab = 5: use parallel.tensor = 4, or a larger "
      "vocabulary");
  BOOST_TEST(problems_of(16, axes(1, 16)) ==
             "parallel.pipeline = 16 leaves stages without one of model.layers = 12: use parallel.pipeline = 8, or at "
             "least 16 layers");
  BOOST_TEST(problems_of(4, interleaved(4, 4)) ==
             "parallel.pipeline = 4 x parallel.virtual_stages = 4 leaves stages without one of model.layers = 12: use "
             "parallel.pipeline = 2, or parallel.virtual_stages = 3, or at least 16 layers");
  BOOST_TEST(problems_of(4, interleaved(4, 3)) == "");
}

BOOST_AUTO_TEST_CASE(settings_without_use_or_at_odds) {
  const auto set = [](auto member, auto value) { return [=](Config& config) { config.parallel.*member = value; }; };
  BOOST_TEST(problems_of(1, set(&ParallelConfig::virtual_stages, 2)) ==
             "parallel.virtual_stages = 2 has no use with parallel.pipeline_schedule = 1f1b: drop it, or use "
             "interleaved");
  BOOST_TEST(problems_of(1, interleaved(1, 1)) ==
             "parallel.pipeline_schedule = interleaved has no use with parallel.pipeline = 1: drop it and "
             "parallel.virtual_stages, or use pipeline 2 or more");
  BOOST_TEST(problems_of(2, interleaved(2, 1)) ==
             "parallel.virtual_stages = 1, but parallel.pipeline_schedule = interleaved needs 2 or more stretches of "
             "layers a rank: use 2, or 1f1b");
  BOOST_TEST(problems_of(2, set(&ParallelConfig::sequence, true)) ==
             "parallel.sequence = true has no use with parallel.tensor = 1: drop it, or use tensor 2 or more");
  for (const std::int64_t zero : {0, 1, 2}) BOOST_TEST(problems_of(1, set(&ParallelConfig::zero, zero)) == "");
  for (const char* schedule : {"gpipe", "1f1b", "zero_bubble"})
    BOOST_TEST(problems_of(1, set(&ParallelConfig::pipeline_schedule, schedule)) == "");
  BOOST_TEST(problems_of(4,
                         [](Config& config) {
                           config.parallel.zero = 2;
                           config.parallel.pipeline = 2;
                         }) ==
             "parallel.zero = 2 sums gradients over data ranks after every micro-batch, which parallel.pipeline = 2 "
             "leaves no room for: use parallel.zero = 1");
  BOOST_TEST(problems_of(4,
                         [](Config& config) {
                           config.parallel.wire = "bf16";
                           config.parallel.reduce = "mpi";
                         }) ==
             "parallel.wire = bf16 cannot go with parallel.reduce = mpi, as MPI has no sum of bf16: use "
             "parallel.reduce = ordered, or parallel.wire = fp32");
}

BOOST_AUTO_TEST_CASE(batches_are_shared_out_over_data_ranks) {
  const auto batch = [](std::int64_t sequences, std::int64_t micro) {
    return [=](Config& config) {
      config.parallel.tensor = config.parallel.pipeline = 2;
      config.optim.batch = sequences;
      config.optim.micro_batch = micro;
    };
  };
  BOOST_TEST(problems_of(8, batch(6, 3)) == "");
  BOOST_TEST(problems_of(8, batch(7, 0)) == "optim.batch = 7 must divide by the 2 data ranks: use 6 or 8");
  BOOST_TEST(problems_of(8, batch(12, 4)) ==
             "optim.micro_batch = 4 must divide a data rank's share of optim.batch, 12 / 2 = 6: use 3 or 6");
}

BOOST_AUTO_TEST_CASE(interleaved_micro_batches_come_in_rounds) {
  BOOST_TEST(problems_of(4, interleaved(4, 2, 24, 2)).find("12 micro-batch(es)") == std::string::npos);
  BOOST_TEST(problems_of(4, interleaved(4, 2, 24, 4)) ==
             "optim.micro_batch = 4 cuts a data rank's share of optim.batch, 24 / 1 = 24, into 6 micro-batch(es), but "
             "parallel.pipeline_schedule = interleaved needs a multiple of parallel.pipeline = 4: use 3 or 6, or 1f1b");
  BOOST_TEST(problems_of(8, interleaved(4, 2, 20)) ==
             "optim.batch = 20 gives a data rank 10 sequence(s), but parallel.pipeline_schedule = interleaved needs "
             "micro-batches in multiples of parallel.pipeline = 4: use 16 or 24, or 1f1b");
  BOOST_TEST(problems_of(4, [](Config& config) {
               interleaved(4, 2, 24, 1)(config);
               config.optim.batch_start = 6;
               config.optim.batch_ramp = 1000;
             }).starts_with("optim.batch_start = 6 gives a data rank 6 sequence(s)"));
  BOOST_TEST(problems_of(4, interleaved(4, 2, 24, 5)) ==
             "optim.micro_batch = 5 must divide a data rank's share of optim.batch, 24 / 1 = 24: use 3 or 6");
}

BOOST_AUTO_TEST_CASE(all_problems_of_a_layout_are_told_at_once) {
  Config config = config_of(axes(16, 13));
  config.parallel.zero = 2;
  config.parallel.virtual_stages = 2;
  config.parallel.wire = "bf16";
  config.parallel.reduce = "mpi";
  BOOST_TEST(validate(config, 8).size() == 6U);
}

BOOST_AUTO_TEST_CASE(numbers_that_remedies_name) {
  BOOST_TEST(divisors_near(12, 5) == "4 or 6");
  BOOST_TEST(divisors_near(12, 6) == "6");
  BOOST_TEST(divisors_near(12, 5, {1, 5}) == "4");
  BOOST_TEST(divisors_near(12, 5, {5, 12}) == "6");
  BOOST_TEST(divisors_near(12, 5, {5, 5}) == "");
  BOOST_TEST(multiples_near(7, 3) == "6 or 9");
  BOOST_TEST(multiples_near(2, 3) == "3");
  BOOST_TEST((divisors(36) == std::vector<std::int64_t>{1, 2, 3, 4, 6, 9, 12, 18, 36}));
}

}  // namespace
}  // namespace tessera::testing
