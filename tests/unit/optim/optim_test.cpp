// SPDX-License-Identifier: Apache-2.0
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <vector>

#include "optim/adamw.hpp"
#include "optim/clipping.hpp"
#include "optim/schedule.hpp"

namespace tessera::optim {
namespace {

config::OptimConfig cosine() {
  config::OptimConfig config;
  config.lr = 1e-3;
  config.min_lr = 1e-4;
  config.warmup = 100;
  return config;
}

BOOST_AUTO_TEST_CASE(warmup_rises_in_a_line_and_cosine_falls_to_min_lr) {
  const config::OptimConfig config = cosine();
  BOOST_TEST(learning_rate(config, 2000, 1) == 1e-5, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(learning_rate(config, 2000, 100) == 1e-3, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(learning_rate(config, 2000, 1050) == 5.5e-4, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(learning_rate(config, 2000, 2000) == 1e-4, boost::test_tools::tolerance(1e-12));
  for (std::int64_t step = 101; step < 2000; ++step)
    BOOST_TEST_REQUIRE(learning_rate(config, 2000, step + 1) < learning_rate(config, 2000, step));
}

BOOST_AUTO_TEST_CASE(constant_schedule_and_no_warmup) {
  config::OptimConfig config = cosine();
  config.lr_schedule = "constant";
  config.warmup = 0;
  BOOST_TEST(learning_rate(config, 10, 1) == 1e-3);
  BOOST_TEST(learning_rate(config, 10, 10) == 1e-3);
}

BOOST_AUTO_TEST_CASE(linear_falls_in_a_line_to_min_lr) {
  config::OptimConfig config = cosine();
  config.lr_schedule = "linear";
  BOOST_TEST(learning_rate(config, 2000, 100) == 1e-3, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(learning_rate(config, 2000, 1050) == 5.5e-4, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(learning_rate(config, 2000, 2000) == 1e-4, boost::test_tools::tolerance(1e-12));
  for (std::int64_t step = 101; step <= 2000; ++step)
    BOOST_TEST_REQUIRE(learning_rate(config, 2000, step - 1) - learning_rate(config, 2000, step) == 9e-4 / 1900,
                       boost::test_tools::tolerance(1e-8));
}

BOOST_AUTO_TEST_CASE(wsd_is_constant_until_its_decay_and_ends_at_min_lr) {
  config::OptimConfig config = cosine();
  config.lr_schedule = "wsd";
  config.decay = 0.2;
  BOOST_TEST(decay_steps(config, 2000) == 400);
  BOOST_TEST(learning_rate(config, 2000, 50) == 5e-4, boost::test_tools::tolerance(1e-12));
  for (std::int64_t step = 100; step <= 1600; ++step) BOOST_TEST_REQUIRE(learning_rate(config, 2000, step) == 1e-3);
  BOOST_TEST(learning_rate(config, 2000, 1601) == 1e-3 - 9e-4 / 400, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(learning_rate(config, 2000, 1800) == 5.5e-4, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(learning_rate(config, 2000, 2000) == 1e-4, boost::test_tools::tolerance(1e-12));
  // A longer run has the same rates up to its own decay, so a stable run can be prolonged.
  for (std::int64_t step = 1; step <= 1600; ++step)
    BOOST_TEST_REQUIRE(learning_rate(config, 2000, step) == learning_rate(config, 9000, step));
  config.decay = 0;
  BOOST_TEST(learning_rate(config, 2000, 1999) == 1e-3);
  BOOST_TEST(learning_rate(config, 2000, 2000) == 1e-4, boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(no_schedule_jumps) {
  for (const std::string schedule : {"cosine", "linear", "constant", "wsd"})
    for (const std::int64_t warmup : {0, 1, 100}) {
      config::OptimConfig config = cosine();
      config.lr_schedule = schedule;
      config.warmup = warmup;
      const double steepest = 1.6 * config.lr / 100;  // of all pieces; a cosine is pi / 2 as steep as its line
      for (std::int64_t step = std::max<std::int64_t>(1, warmup); step < 1000; ++step)
        BOOST_TEST_REQUIRE(
            std::abs(learning_rate(config, 1000, step + 1) - learning_rate(config, 1000, step)) <= steepest,
            schedule << " jumps at step " << step);
      BOOST_TEST(learning_rate(config, 1000, std::max<std::int64_t>(1, warmup)) == config.lr,
                 boost::test_tools::tolerance(2e-3));
      BOOST_TEST(learning_rate(config, 1000, 1000) == (schedule == "constant" ? config.lr : config.min_lr),
                 boost::test_tools::tolerance(1e-12));
      BOOST_TEST(learning_rate(config, 1000, 1500) == learning_rate(config, 1000, 1000));
    }
}

/// Two tensors, of which only the first decays.
struct Tiles {
  std::vector<float> w1{1.0f, -2.0f, 3.0f}, g1{3.0f, 0.0f, 4.0f}, w2{0.5f}, g2{12.0f};
  std::vector<OptimizedTile> tiles() {
    return {{tensor::whole("a", {3}), {w1.data(), {3}}, {}, {g1.data(), {3}}, true},
            {tensor::whole("b", {1}), {w2.data(), {1}}, {}, {g2.data(), {1}}, false}};
  }
};

BOOST_AUTO_TEST_CASE(norm_and_clipping) {
  tensor::Device device(1);
  Tiles data;
  const auto tiles = data.tiles();
  const double norm = 13.0;  // sqrt(3² + 4² + 12²)
  config::OptimConfig config;
  config.clip_norm = 6.5;
  BOOST_TEST(norm_factor(config, norm) == 0.5, boost::test_tools::tolerance(1e-12));
  config.clip_norm = 20;
  BOOST_TEST(norm_factor(config, norm) == 1.0);
  config.clip_norm = 0;
  BOOST_TEST(norm_factor(config, norm) == 1.0);
  clip_by_value(device, config, tiles);
  BOOST_TEST(data.g1[2] == 4.0f);
  config.clip_value = 3.5;
  clip_by_value(device, config, tiles);
  BOOST_TEST(data.g1[2] == 3.5f);
  BOOST_TEST(data.g1[0] == 3.0f);
  BOOST_TEST(data.g2[0] == 3.5f);
}

BOOST_AUTO_TEST_CASE(adamw_follows_the_formula_in_double) {
  tensor::Device device(1);
  Tiles data;
  config::OptimConfig config;
  config.weight_decay = 0.1;
  AdamW adamw(config, data.tiles());
  double w = 1.0, m = 0, v = 0, plain = 0.5, pm = 0, pv = 0;
  for (int t = 1; t <= 5; ++t) {
    adamw.step(device, t, 1e-2, 0.5);
    const auto update = [&](double& weight, double gradient, double& mm, double& vv, double decay) {
      mm = 0.9 * mm + 0.1 * gradient;
      vv = 0.95 * vv + 0.05 * gradient * gradient;
      const double mc = mm / (1 - std::pow(0.9, t)), vc = vv / (1 - std::pow(0.95, t));
      weight -= 1e-2 * (mc / (std::sqrt(vc) + 1e-8) + decay * weight);
    };
    update(w, 1.5, m, v, 0.1);
    update(plain, 6.0, pm, pv, 0.0);
  }
  BOOST_TEST(data.w1[0] == w, boost::test_tools::tolerance(1e-5));
  BOOST_TEST(data.w2[0] == plain, boost::test_tools::tolerance(1e-5));
}

}  // namespace
}  // namespace tessera::optim
