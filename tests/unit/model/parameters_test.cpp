// SPDX-License-Identifier: Apache-2.0
#include "model/parameters.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <set>

#include "model/gpt_stage.hpp"

namespace tessera::model {
namespace {

config::ModelConfig gpt2() {
  config::ModelConfig config;
  config.vocab = 50257;
  return config;
}

config::ModelConfig tiny() {
  config::ModelConfig config;
  config.layers = 2;
  config.hidden = 24;
  config.heads = 3;
  config.context = 10;
  config.vocab = 31;
  return config;
}

BOOST_AUTO_TEST_CASE(gpt2_has_the_published_number_of_parameters) {
  BOOST_TEST(num_parameters(gpt2()) == 124439808);
  config::ModelConfig untied = gpt2();
  untied.tied_head = false;
  BOOST_TEST(num_parameters(untied) == 124439808 + 50257 * 768);
}

BOOST_AUTO_TEST_CASE(gpt3_175b_counts_174_6_billion) {
  config::ModelConfig config = gpt2();
  config.layers = 96;
  config.hidden = 12288;
  config.heads = 96;
  config.context = 2048;
  BOOST_TEST(num_parameters(config) == 174604259328);  // 96 (12 H² + 13 H) + (V + C) H + 2 H
}

BOOST_AUTO_TEST_CASE(names_are_unique_and_only_matrices_decay) {
  std::set<std::string> names;
  for (const ParameterSpec& spec : parameter_specs(tiny())) {
    BOOST_TEST(names.insert(spec.name).second, spec.name);
    BOOST_TEST(spec.decay == (spec.shape.num_dims() == 2), spec.name);
  }
}

BOOST_AUTO_TEST_CASE(query_key_value_lie_back_to_back) {
  const Parameters parameters(tiny(), whole_model(tiny()));
  for (const char* what : {"weight", "bias"}) {
    const std::string base = "blocks.1.attention.";
    const Parameter& q = parameters.get(base + "query." + what);
    const Parameter& k = parameters.get(base + "key." + what);
    const Parameter& v = parameters.get(base + "value." + what);
    BOOST_TEST(k.weight.as<float>() == q.weight.as<float>() + q.weight.num_elements());
    BOOST_TEST(v.weight.as<float>() == k.weight.as<float>() + k.weight.num_elements());
    BOOST_TEST(v.gradient.as<float>() == q.gradient.as<float>() + 2 * q.weight.num_elements());
    BOOST_TEST(parameters.joined_weight(base + "query." + what, 3).extent(0) == 72);
  }
}

BOOST_AUTO_TEST_CASE(initial_weights_follow_their_distribution_and_seed) {
  config::ModelConfig config = tiny();
  config.hidden = 96;
  const Placement all = whole_model(config);
  const ParameterRoom weights_only{false, base::DType::f32};
  Parameters a(config, all, weights_only), b(config, all, weights_only), c(config, all, weights_only);
  tensor::Device device(1);
  a.initialize(1, device);
  b.initialize(1, device);
  c.initialize(2, device);
  const auto stddev = [](const Parameter& p) {
    double squares = 0;
    for (const float w : p.weight.span<float>()) squares += static_cast<double>(w) * w;
    return std::sqrt(squares / static_cast<double>(p.weight.num_elements()));
  };
  BOOST_TEST(stddev(a.get("blocks.0.mlp.up.weight")) == 0.02, boost::test_tools::tolerance(0.02));
  BOOST_TEST(stddev(a.get("blocks.0.mlp.down.weight")) == 0.02 / 2,
             boost::test_tools::tolerance(0.02));  // sqrt(2 L) = 2
  BOOST_TEST(a.get("final_norm.gain").weight.as<float>()[5] == 1.0f);
  BOOST_TEST(a.get("blocks.1.mlp.up.bias").weight.as<float>()[5] == 0.0f);
  const auto equal = [](const Parameters& one, const Parameters& other) {
    for (std::size_t i = 0; i < one.all().size(); ++i) {
      const auto x = one.all()[i].master.span<float>(), y = other.all()[i].master.span<float>();
      if (!std::equal(x.begin(), x.end(), y.begin())) return false;
    }
    return true;
  };
  BOOST_TEST(equal(a, b));
  BOOST_TEST(!equal(a, c));
  Parameters rounded(config, all, {false, base::DType::bf16});
  rounded.initialize(1, device);
  BOOST_TEST(equal(a, rounded));  // masters are the same in every precision
  const Parameter& matrix = rounded.get("blocks.0.mlp.up.weight");
  BOOST_TEST((matrix.weight.dtype() == base::DType::bf16));
  BOOST_TEST((rounded.get("blocks.0.mlp.up.bias").weight.dtype() == base::DType::f32));
}

BOOST_AUTO_TEST_CASE(activation_memory_grows_with_the_batch_and_shrinks_without_training) {
  const config::ModelConfig config = gpt2();
  const auto bytes = [&](base::DType dtype, const StageRoom& room) {
    return GptStage::activation_bytes(config, whole_model(config), false, dtype, room);
  };
  const std::size_t one = bytes(base::DType::f32, {1, 512});
  const auto two = static_cast<double>(bytes(base::DType::f32, {2, 512}));
  BOOST_TEST(two == 2.0 * static_cast<double>(one), boost::test_tools::tolerance(0.01));
  BOOST_TEST(bytes(base::DType::f32, {1, 512, false}) < one / 3);
  const std::size_t rounded = bytes(base::DType::bf16, {1, 512});
  const std::size_t selective = bytes(base::DType::bf16, {1, 512, true, Recompute::selective});
  const std::size_t full = bytes(base::DType::bf16, {1, 512, true, Recompute::full});
  BOOST_TEST(rounded < one * 2 / 3);
  BOOST_TEST(selective < rounded * 4 / 5);
  BOOST_TEST(full < selective * 2 / 3);  // the rest is mostly logits
}

}  // namespace
}  // namespace tessera::model
