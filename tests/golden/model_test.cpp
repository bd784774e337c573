// SPDX-License-Identifier: Apache-2.0
// The model and the optimizer in single precision against PyTorch in double precision. Tolerances start from what
// PyTorch's own single precision differs by (scripts/make_golden.py --compare), times about five: another order of sums
// is allowed, another formula is not.
#include <boost/test/data/test_case.hpp>

#include "golden/model_fixture.hpp"
#include "optim/adamw.hpp"
#include "optim/clipping.hpp"

namespace tessera::testing {
namespace {

constexpr double kLogits = 1e-5, kLoss = 3e-6, kNorm = 8e-6;

/// Absolute tolerances of a tensor by the end of its name: its gradient, and its value after the updates.
struct Tolerance {
  std::string_view name;
  double gradient, updated;
};

/// A key bias adds the same to all scores of a query, so its gradient is 0 and only rounding is left of it. AdamW
/// divides that noise by itself: the bias may wander, but by no more than the learning rate (1e-3) in each of 10 steps.
constexpr Tolerance tolerances[] = {
    {"token_embedding", 5e-7, 4e-6},
    {"position_embedding", 5e-7, 4e-6},
    {"attention_norm.gain", 1e-6, 2e-6},
    {"attention_norm.bias", 8e-7, 3e-7},
    {"attention.query.weight", 8e-7, 2e-6},
    {"attention.key.weight", 6e-7, 2e-6},
    {"attention.value.weight", 9e-7, 2e-6},
    {"attention.query.bias", 3e-7, 3e-7},
    {"attention.key.bias", 1e-7, 1e-2},
    {"attention.value.bias", 6e-7, 3e-7},
    {"attention.output.weight", 9e-7, 2e-6},
    {"attention.output.bias", 8e-7, 3e-7},
    {"mlp_norm.gain", 5e-7, 2e-6},
    {"mlp_norm.bias", 4e-7, 3e-7},
    {"mlp.up.weight", 6e-7, 2e-6},
    {"mlp.up.bias", 3e-7, 4e-7},
    {"mlp.down.weight", 1e-6, 2e-6},
    {"mlp.down.bias", 8e-7, 3e-7},
    {"final_norm.gain", 5e-7, 2e-6},
    {"final_norm.bias", 5e-7, 3e-7},
    {"head.weight", 3e-7, 1e-6},
};

const Tolerance& tolerance_of(const std::string& name) {
  for (const Tolerance& tolerance : tolerances) {
    if (name.ends_with(tolerance.name)) return tolerance;
  }
  throw std::logic_error("no tolerance is stated for " + name);
}

void expect_gradients(const Tensors& gradients, const model::Parameters& parameters) {
  BOOST_TEST(parameters.all().size() == gradients.size());
  for (const auto& [name, expected] : gradients) {
    expect_close(parameters.get(name).gradient.span<float>(), expected.values, tolerance_of(name).gradient, 0,
                 "gradient of " + name);
  }
}

void expect_updated_weights(const GoldenFile& golden, const model::Parameters& parameters) {
  BOOST_TEST(parameters.all().size() == golden.adamw.weights.size());
  for (const auto& [name, expected] : golden.adamw.weights) {
    expect_close(parameters.get(name).master.span<float>(), expected.values, tolerance_of(name).updated, 0,
                 name + " after the updates");
  }
}

}  // namespace

BOOST_DATA_TEST_CASE(logits_loss_and_gradients_equal_pytorch, golden_cases, name) {
  GoldenFile golden = golden_case(name);
  LoadedModel model(config_of(golden), golden.weights, true);
  model::GptStage stage = model.stage(golden.batch, golden.length);
  const double loss = mean_loss(golden, stage, false);
  BOOST_TEST(std::abs(loss - golden.loss) <= kLoss, loss << " instead of " << golden.loss);
  expect_close(stage.logits().span<float>(), golden.logits.values, kLogits, 0, "logits");
  const double loss_in_training = mean_loss(golden, stage, true);
  BOOST_TEST(std::abs(loss_in_training - golden.loss) <= kLoss, loss_in_training << " instead of " << golden.loss);
  expect_gradients(golden.gradients, model.parameters);
}

BOOST_AUTO_TEST_CASE(banded_attention_equals_pytorch) {
  GoldenFile golden = golden_case(banded_case);
  const GoldenVariant banded = golden_variant(banded_case + "_banded");
  BOOST_TEST((banded.window > 0 && banded.window < golden.length));
  LoadedModel model(config_of(golden, banded.window), golden.weights, true);
  model::GptStage stage = model.stage(golden.batch, golden.length);
  mean_loss(golden, stage, false);
  expect_close(stage.logits().span<float>(), banded.logits.values, kLogits, 0, "logits");
  const double loss = mean_loss(golden, stage, true);
  BOOST_TEST(std::abs(loss - banded.loss) <= kLoss, loss << " instead of " << banded.loss);
  expect_gradients(banded.gradients, model.parameters);
}

// One sequence at a time in a stage with room for more: gradients add up, nothing is left over from before.
BOOST_DATA_TEST_CASE(gradients_of_micro_batches_add_up, golden_cases, name) {
  GoldenFile golden = golden_case(name);
  LoadedModel model(config_of(golden), golden.weights, true);
  model::GptStage stage = model.stage(golden.batch + 1, golden.length);
  const auto num_targets = static_cast<double>(golden.num_targets());
  double loss = 0;
  for (std::int64_t sequence = 0; sequence < golden.batch; ++sequence) {
    const model::MicroBatch batch = rows_of_batch(golden.tokens, golden.targets, sequence, 1, golden.length);
    const auto accumulate = sequence == 0 ? tensor::Accumulate::no : tensor::Accumulate::yes;
    const model::MicroStep step{0, {}, static_cast<float>(1 / num_targets), accumulate};
    loss += stage.forward(batch, step) / num_targets;
    stage.backward(batch, step);
  }
  stage.fold_embedding();
  BOOST_TEST(std::abs(loss - golden.loss) <= kLoss, loss << " instead of " << golden.loss);
  expect_gradients(golden.gradients, model.parameters);
}

BOOST_DATA_TEST_CASE(adamw_updates_equal_pytorch, golden_cases, name) {
  GoldenFile golden = golden_case(name);
  const GoldenFile::AdamW& expected = golden.adamw;
  LoadedModel model(config_of(golden), golden.weights, true);
  model::GptStage stage = model.stage(golden.batch, golden.length);

  config::OptimConfig config;
  config.beta1 = expected.beta1;
  config.beta2 = expected.beta2;
  config.epsilon = expected.epsilon;
  config.weight_decay = expected.weight_decay;
  config.clip_norm = expected.clip_norm;
  std::vector<optim::OptimizedTile> tiles;
  for (const model::Parameter& parameter : model.parameters.all()) {
    tiles.push_back({parameter.tile, parameter.master, {}, parameter.gradient, parameter.spec.decay});
  }
  optim::AdamW optimizer(config, tiles);

  std::vector<double> losses, norms;
  for (std::size_t step = 0; step < expected.loss.size(); ++step) {
    losses.push_back(mean_loss(golden, stage, true));
    double squares = 0;
    for (const optim::OptimizedTile& tile : tiles) squares += tensor::sum_of_squares(model.device, tile.gradient);
    norms.push_back(std::sqrt(squares));
    optimizer.step(model.device, static_cast<std::int64_t>(step) + 1, expected.lr,
                   optim::norm_factor(config, norms.back()));
  }
  expect_close(losses, expected.loss, kLoss, 0, "losses");
  expect_close(norms, expected.grad_norm, kNorm, 0, "gradient norms");
  expect_updated_weights(golden, model.parameters);
}

}  // namespace tessera::testing
