// SPDX-License-Identifier: Apache-2.0
// The double-precision reference against PyTorch in double precision, against finite differences of itself, and against
// two published models. What the files hold was rounded to float once: 6e-8 of the value.
#include <boost/test/data/test_case.hpp>

#include "golden/reference_model.hpp"
#include "json/json.hpp"
#include "support/gpt2_weights.hpp"

namespace tessera::testing {
namespace {

constexpr double kRounding = 6e-8;   // of a double to float, relative
constexpr double kNoise = 1e-12;     // of sums in another order, absolute
constexpr double kNoiseBias = 1e-8;  // of key biases after updates; see below

reference::GptTrace forward(const GoldenFile& golden, const reference::Weights& weights, std::int64_t window = 0) {
  return reference::forward(reference_config(golden, window), weights, golden.tokens, golden.targets,
                            static_cast<std::size_t>(golden.batch));
}

}  // namespace

BOOST_DATA_TEST_CASE(reference_equals_pytorch, golden_cases, name) {
  const GoldenFile golden = golden_case(name);
  const reference::Weights weights = as_doubles(golden.weights);
  const reference::GptTrace trace = forward(golden, weights);
  expect_close(trace.logits, golden.logits.values, kNoise, kRounding, "logits");
  BOOST_TEST(static_cast<std::int64_t>(trace.num_targets) == golden.num_targets());
  BOOST_TEST(std::abs(trace.mean_loss - golden.loss) <= kNoise, trace.mean_loss << " instead of " << golden.loss);

  const reference::Weights gradients = reference::backward(reference_config(golden), weights, trace);
  BOOST_TEST(gradients.size() == golden.gradients.size());
  for (const auto& [tensor, expected] : golden.gradients) {
    expect_close(gradients.at(tensor), expected.values, kNoise, kRounding, "gradient of " + tensor);
  }
}

BOOST_AUTO_TEST_CASE(banded_reference_equals_pytorch) {
  const GoldenFile golden = golden_case(banded_case);
  const GoldenVariant banded = golden_variant(banded_case + "_banded");
  const reference::Weights weights = as_doubles(golden.weights);
  const reference::GptTrace trace = forward(golden, weights, banded.window);
  expect_close(trace.logits, banded.logits.values, kNoise, kRounding, "logits");
  BOOST_TEST(std::abs(trace.mean_loss - banded.loss) <= kNoise, trace.mean_loss << " instead of " << banded.loss);
  for (const auto& [tensor, gradient] : reference::backward(reference_config(golden, banded.window), weights, trace)) {
    expect_close(gradient, banded.gradients.at(tensor).values, kNoise, kRounding, "gradient of " + tensor);
  }
}

// The gradient of a key bias is 0: it adds the same to all scores of a query. AdamW divides what rounding leaves of it
// (1e-17) by its own size + 1e-8, so these biases move by noise times 1e8 times the learning rate.
BOOST_DATA_TEST_CASE(reference_adamw_equals_pytorch, golden_cases, name) {
  const GoldenFile golden = golden_case(name);
  reference::Weights weights = as_doubles(golden.weights);
  const auto& settings = golden.adamw;
  reference::AdamW optimizer(
      {settings.lr, settings.beta1, settings.beta2, settings.epsilon, settings.weight_decay, settings.clip_norm});
  reference::Values losses, norms;
  for (std::size_t step = 0; step < settings.loss.size(); ++step) {
    const reference::GptTrace trace = forward(golden, weights);
    losses.push_back(trace.mean_loss);
    norms.push_back(optimizer.step(weights, reference::backward(reference_config(golden), weights, trace)));
  }
  expect_close(losses, settings.loss, 1e-11, 0, "losses");
  expect_close(norms, settings.grad_norm, 1e-11, 0, "gradient norms");
  for (const auto& [tensor, expected] : settings.weights) {
    const double noise = tensor.ends_with("key.bias") ? kNoiseBias : 1e-9;
    expect_close(weights.at(tensor), expected.values, noise, kRounding, tensor + " after the updates");
  }
}

BOOST_DATA_TEST_CASE(reference_gradients_equal_finite_differences, golden_cases, name) {
  const GoldenFile golden = golden_case(name);
  reference::Weights weights = as_doubles(golden.weights);
  const reference::Weights gradients = reference::backward(reference_config(golden), weights, forward(golden, weights));
  constexpr double step = 1e-5;
  constexpr std::size_t num_probes = 10;
  for (auto& [tensor, values] : weights) {
    reference::Values differences, expected;
    for (std::size_t probe = 0; probe < num_probes; ++probe) {
      const std::size_t index = (probe * values.size() + probe) / num_probes % values.size();
      const double value = values[index];
      values[index] = value + step;
      const double above = forward(golden, weights).mean_loss;
      values[index] = value - step;
      const double below = forward(golden, weights).mean_loss;
      values[index] = value;
      differences.push_back((above - below) / (2 * step));
      expected.push_back(gradients.at(tensor)[index]);
    }
    expect_close(expected, differences, 1e-8, 0, "gradient of " + tensor);
  }
}

// minGPT's names of weights: support/gpt2_weights.hpp; of intermediate values: the calls below.
BOOST_AUTO_TEST_CASE(reference_equals_trained_mingpt) {
  const std::string folder = shared_data("weights-gpt-nano-sort");
  if (folder.empty()) return;
  const reference::Weights weights = as_doubles(our_weights_from_nano_sort(folder + "/gpt-nano-sort-model.json"));
  const Tensors partials = read_base64_tensors(folder + "/gpt-nano-sort-t0-partials.json");
  const Tensor& idx = partials.at("idx");
  const std::size_t B = static_cast<std::size_t>(idx.shape[0]), T = static_cast<std::size_t>(idx.shape[1]);
  const reference::GptConfig config{3, 48, 3, 11, 3, "gelu_tanh", false, 1e-5};
  const reference::GptTrace trace =
      reference::forward(config, weights, std::vector<std::int32_t>(idx.values.begin(), idx.values.end()), {}, B);

  const auto expect = [&](const char* name, const reference::Values& values) {
    expect_close(values, partials.at(name).values, 1e-5, 0, name);
  };
  // Theirs is [B, A, T, D], ours [B, T, A, D].
  const auto expect_heads = [&](const char* name, const reference::Values& values) {
    constexpr std::size_t A = 3, D = 16;
    reference::Values moved(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::size_t b = i / (A * T * D), a = i / (T * D) % A, t = i / D % T, d = i % D;
      moved[i] = values[((b * T + t) * A + a) * D + d];
    }
    expect(name, moved);
  };
  const reference::BlockTrace& block = trace.blocks[0];
  expect("x", trace.embedded);
  expect("ln1", block.norm1);
  expect_heads("q", block.q);
  expect_heads("k", block.k);
  expect_heads("v", block.v);
  expect("att", block.attention.scores);
  expect("attSm", block.attention.probabilities);
  expect("y", block.attention.out);
  expect("yProj", block.projected);
  expect("attnResid", block.x1);
  expect("ln2", block.norm2);
  expect("fc", block.up);
  expect("gelu", block.activated);
  expect("mlp", block.down);
  expect("mlpResid", block.x2);
  for (const int layer : {0, 1, 2}) {
    expect(("block" + std::to_string(layer)).c_str(), trace.blocks[static_cast<std::size_t>(layer)].x2);
  }
  expect("ln_f", trace.final_norm);
  expect("lm_head", trace.logits);
}

BOOST_AUTO_TEST_CASE(reference_continues_as_hugging_face_gpt2) {
  const std::string folder = shared_data("weights-tiny-random-gpt2");
  if (folder.empty()) return;
  const reference::Weights weights = as_doubles(our_weights_from_hf_gpt2(folder));
  const reference::GptConfig config{5, 32, 4, 512, 1000, "gelu_tanh", true, 1e-5};
  const std::string path = folder + "/expected.json";
  const json::Json file = json::parse(read_bytes(path), path);
  for (const json::Json& greedy : file.at("greedy").as_array()) {
    std::vector<std::int32_t> tokens, expected;
    for (const json::Json& id : greedy.at("prompt").as_array()) tokens.push_back(static_cast<int>(id.as_int()));
    for (const json::Json& id : greedy.at("output").as_array()) expected.push_back(static_cast<int>(id.as_int()));
    while (tokens.size() < expected.size()) {
      const reference::Values logits = reference::forward(config, weights, tokens, {}, 1).logits;
      const auto last = logits.end() - static_cast<std::ptrdiff_t>(config.vocab);
      tokens.push_back(static_cast<std::int32_t>(std::max_element(last, logits.end()) - last));
    }
    BOOST_TEST(tokens == expected, boost::test_tools::per_element());
  }
}

}  // namespace tessera::testing
