// SPDX-License-Identifier: Apache-2.0
// The key-value cache gives the logits of a whole window, also through bands and document masks.
#include "model/decoder.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <vector>

#include "model/gpt_stage.hpp"

namespace tessera::model {
namespace {

constexpr std::int64_t kContext = 40, kVocab = 17;
constexpr std::int32_t kEnd = 3;

config::ModelConfig banded() {
  config::ModelConfig config;
  config.layers = 3;
  config.hidden = 24;
  config.heads = 3;
  config.context = kContext;
  config.vocab = kVocab;
  config.attention = "alternating";
  config.window = 6;
  return config;
}

/// Logits [kContext, V] of the whole window in one pass.
std::vector<float> whole_window(tensor::Device& device, const Parameters& parameters, std::vector<std::int32_t>& tokens,
                                std::int32_t document_end) {
  tensor_parallel::TensorAxis axis(device);
  GptStage stage(device, axis, banded(), parameters, {1, kContext, false});
  std::vector<std::int32_t> targets(kContext, -1), starts(kContext, 0);
  for (std::size_t t = 1; t < tokens.size(); ++t)
    starts[t] = tokens[t - 1] == document_end ? static_cast<std::int32_t>(t) : starts[t - 1];
  const tensor::Shape shape{1, kContext};
  stage.forward({{tokens.data(), shape}, {targets.data(), shape}, {}, {starts.data(), shape}}, {});
  const auto logits = stage.logits().span<float>();
  return {logits.begin(), logits.end()};
}

BOOST_AUTO_TEST_CASE(logits_of_the_cache_equal_those_of_the_window) {
  tensor::Device device(2);
  tensor_parallel::TensorAxis axis(device);
  Parameters parameters(banded(), whole_model(banded()), {false, base::DType::f32});
  parameters.initialize(5, device);
  for (Parameter& p : parameters.all())  // larger weights than initial ones, so that attention matters
    if (p.spec.decay)
      for (float& w : p.master.span<float>()) w *= 8;
  std::vector<std::int32_t> tokens;
  for (std::int64_t t = 0; t < kContext; ++t) tokens.push_back(static_cast<std::int32_t>(t * t * 7 % kVocab));
  BOOST_TEST(std::count(tokens.begin(), tokens.end(), kEnd) > 2);
  const std::vector<float> unmasked = whole_window(device, parameters, tokens, -1);
  for (const std::int32_t document_end : {-1, kEnd}) {
    const std::vector<float> expected = whole_window(device, parameters, tokens, document_end);
    BOOST_TEST((expected == unmasked) == (document_end < 0));
    Decoder decoder(device, {&axis}, banded(), parameters, document_end);
    for (const std::size_t chunk : {1, 7, 40}) {
      decoder.reset();
      for (std::size_t first = 0; first < tokens.size(); first += chunk) {
        const std::size_t count = std::min(chunk, tokens.size() - first);
        const std::span<const float> logits = decoder.feed(std::span(tokens).subspan(first, count));
        for (std::size_t v = 0; v < kVocab; ++v)
          BOOST_TEST_REQUIRE(
              std::abs(logits[v] - expected[(first + count - 1) * kVocab + v]) < 1e-4f,
              "document end " << document_end << ", chunk " << chunk << ", behind token " << first + count);
      }
    }
  }
}

}  // namespace
}  // namespace tessera::model
