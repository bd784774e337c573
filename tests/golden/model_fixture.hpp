// SPDX-License-Identifier: Apache-2.0
// A model with given weights, and micro-batches cut from vectors.
#pragma once

#include <algorithm>

#include "golden/golden_test.hpp"
#include "model/gpt_stage.hpp"

namespace tessera::testing {

/// Device and parameters that hold `weights`: each tensor of the model must be there, and no other.
struct LoadedModel {
  tensor::Device device{2};
  tensor_parallel::TensorAxis axis{device};
  config::ModelConfig config;
  model::Parameters parameters;

  LoadedModel(const config::ModelConfig& model_config, const Tensors& weights, bool with_gradients,
              base::DType dtype = base::DType::f32)
      : config(model_config), parameters(model_config, model::whole_model(model_config), {with_gradients, dtype}) {
    BOOST_REQUIRE_EQUAL(weights.size(), parameters.all().size());
    for (model::Parameter& parameter : parameters.all()) {
      const std::string& name = parameter.spec.name;
      BOOST_REQUIRE_MESSAGE(weights.contains(name), "the file has no " << name);
      const Tensor& tensor = weights.at(name);
      BOOST_REQUIRE_MESSAGE(static_cast<int>(tensor.shape.size()) == parameter.weight.shape().num_dims(), name);
      for (int dim = 0; dim < parameter.weight.shape().num_dims(); ++dim) {
        BOOST_REQUIRE_EQUAL(tensor.shape[static_cast<std::size_t>(dim)], parameter.weight.extent(dim));
      }
      std::copy(tensor.values.begin(), tensor.values.end(), parameter.master.as<float>());
    }
    parameters.round_weights(device);
  }

  model::GptStage stage(std::int64_t max_batch, std::int64_t max_length,
                        model::Recompute recompute = model::Recompute::none) {
    return {device, axis, config, parameters, {max_batch, max_length, true, recompute}};
  }
};

/// Sequences [first, first + count) of a batch [B, length]. Views into both vectors.
inline model::MicroBatch rows_of_batch(std::vector<std::int32_t>& tokens, std::vector<std::int32_t>& targets,
                                       std::int64_t first, std::int64_t count, std::int64_t length) {
  return {tensor::View(tokens.data() + first * length, tensor::Shape{count, length}),
          tensor::View(targets.data() + first * length, tensor::Shape{count, length}),
          {}};
}

/// `window` > 0: banded attention in odd layers.
inline config::ModelConfig config_of(const GoldenFile& golden, std::int64_t window = 0) {
  config::ModelConfig config;
  config.layers = golden.layers;
  config.hidden = golden.hidden;
  config.heads = golden.heads;
  config.context = golden.context;
  config.vocab = golden.vocab;
  config.activation = golden.activation;
  config.tied_head = golden.tied;
  config.attention = window > 0 ? "alternating" : "dense";
  config.window = window;
  return config;
}

/// Mean loss over the targets that are not ignored; with `gradients` theirs too, overwritten.
inline double mean_loss(const model::MicroBatch& batch, model::GptStage& stage, bool gradients) {
  const auto targets = batch.targets.span<std::int32_t>();
  const auto num_targets =
      static_cast<double>(std::count_if(targets.begin(), targets.end(), [](std::int32_t id) { return id >= 0; }));
  model::MicroStep step;
  step.gradient_scale = gradients ? static_cast<float>(1 / num_targets) : 0.0f;
  const double sum = stage.forward(batch, step);
  if (gradients) stage.backward(batch, step);
  if (gradients) stage.fold_embedding();
  return sum / num_targets;
}

inline double mean_loss(GoldenFile& golden, model::GptStage& stage, bool gradients) {
  return mean_loss(rows_of_batch(golden.tokens, golden.targets, 0, golden.batch, golden.length), stage, gradients);
}

}  // namespace tessera::testing
