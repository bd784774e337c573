// SPDX-License-Identifier: Apache-2.0
// The model with weights that others trained: minGPT's sorter with all its intermediate values, and a small GPT-2 of
// Hugging Face with two greedy continuations. Both lie in the development data; without it these tests are skipped.
#include "golden/model_fixture.hpp"
#include "json/json.hpp"
#include "model/decoder.hpp"
#include "support/gpt2_weights.hpp"

namespace tessera::testing {
namespace {

constexpr double kActivation = 1e-5;

std::vector<std::int32_t> ids(const json::Json& array) {
  std::vector<std::int32_t> result;
  for (const json::Json& id : array.as_array()) result.push_back(static_cast<std::int32_t>(id.as_int()));
  return result;
}

/// Log-sum-exp of each row of masked scores [.., T].
std::vector<double> row_log_sum_exp(const Tensor& scores) {
  const auto T = static_cast<std::size_t>(scores.shape.back());
  std::vector<double> result(scores.values.size() / T);
  for (std::size_t i = 0; i < scores.values.size(); ++i) result[i / T] += std::exp(double{scores.values[i]});
  for (double& value : result) value = std::log(value);
  return result;
}

}  // namespace

// minGPT's names of weights: support/gpt2_weights.hpp; of intermediate values: the calls below.
BOOST_AUTO_TEST_CASE(activations_equal_mingpt) {
  const std::string folder = shared_data("weights-gpt-nano-sort");
  if (folder.empty()) return;
  const Tensors partials = read_base64_tensors(folder + "/gpt-nano-sort-t0-partials.json");
  LoadedModel model(nano_sort_config(), our_weights_from_nano_sort(folder + "/gpt-nano-sort-model.json"), true);

  const Tensor& idx = partials.at("idx");
  const std::int64_t B = idx.shape[0], T = idx.shape[1];
  std::vector<std::int32_t> tokens(idx.values.begin(), idx.values.end()), targets(tokens.size(), -1);
  model::GptStage stage = model.stage(B, T);
  const double loss = stage.forward(rows_of_batch(tokens, targets, 0, B, T), {});
  BOOST_TEST(loss == 0.0);  // all targets are ignored

  const auto expect = [&](const std::string& name, const tensor::View& values) {
    expect_close(values.span<float>(), partials.at(name).values, kActivation, 0, name);
  };
  const model::BlockActivations& block = stage.layer_activations(0);
  expect("x", stage.layer_output(-1));
  expect("ln1", block.norm1);
  expect("qkv", block.qkv);
  expect_close(block.lse.span<float>(), row_log_sum_exp(partials.at("att")), kActivation, 0, "log-sum-exp of att");
  expect("y", block.attention);
  expect("attnResid", block.x1);
  expect("ln2", block.norm2);
  expect("fc", block.up);
  expect("gelu", block.activated);
  expect("mlpResid", block.x2);
  for (const int layer : {0, 1, 2}) expect("block" + std::to_string(layer), stage.layer_output(layer));
  expect("ln_f", stage.final_norm());
  expect("lm_head", stage.logits());
}

BOOST_AUTO_TEST_CASE(logits_from_the_cache_equal_mingpt) {
  const std::string folder = shared_data("weights-gpt-nano-sort");
  if (folder.empty()) return;
  const Tensors partials = read_base64_tensors(folder + "/gpt-nano-sort-t0-partials.json");
  const LoadedModel loaded(nano_sort_config(), our_weights_from_nano_sort(folder + "/gpt-nano-sort-model.json"), false);
  tensor::Device device(1);
  tensor_parallel::TensorAxis axis(device);
  model::Decoder decoder(device, {&axis}, loaded.config, loaded.parameters);
  const Tensor &idx = partials.at("idx"), &expected = partials.at("lm_head");
  const auto T = static_cast<std::size_t>(idx.shape[1]), V = static_cast<std::size_t>(loaded.config.vocab);
  for (std::size_t row = 0; row < idx.values.size(); ++row) {
    if (row % T == 0) decoder.reset();
    const auto token = static_cast<std::int32_t>(idx.values[row]);
    const std::vector<float> logits(expected.values.begin() + static_cast<std::ptrdiff_t>(row * V),
                                    expected.values.begin() + static_cast<std::ptrdiff_t>((row + 1) * V));
    expect_close(decoder.feed({&token, 1}), logits, kActivation, 0, "logits behind token " + std::to_string(row));
  }
}

BOOST_AUTO_TEST_CASE(greedy_continuations_equal_hugging_face) {
  const std::string folder = shared_data("weights-tiny-random-gpt2");
  if (folder.empty()) return;
  const std::string path = folder + "/expected.json";
  const json::Json file = json::parse(read_bytes(path), path);
  config::ModelConfig config;
  config.layers = file.at("n_layer").as_int();
  config.hidden = file.at("n_embd").as_int();
  config.heads = file.at("n_head").as_int();
  config.context = file.at("n_positions").as_int();
  config.vocab = file.at("vocab_size").as_int();
  LoadedModel loaded(config, our_weights_from_hf_gpt2(folder), false);
  model::Decoder decoder(loaded.device, {&loaded.axis}, config, loaded.parameters);
  const json::Array& continuations = file.at("greedy").as_array();
  BOOST_TEST(continuations.size() == 2u);
  for (const json::Json& greedy : continuations) {
    std::vector<std::int32_t> tokens = ids(greedy.at("prompt"));
    const std::vector<std::int32_t> expected = ids(greedy.at("output"));
    decoder.reset();
    std::span<const float> logits = decoder.feed(tokens);
    while (tokens.size() < expected.size()) {
      tokens.push_back(static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
      logits = decoder.feed({&tokens.back(), 1});
    }
    BOOST_TEST(tokens == expected, boost::test_tools::per_element());
  }
}

}  // namespace tessera::testing
