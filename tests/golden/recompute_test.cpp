// SPDX-License-Identifier: Apache-2.0
// Recomputed activations are the same operations on the same values: gradients have the same bits as those of kept
// ones, with dropout too, whose masks are drawn again.
#include <boost/test/data/test_case.hpp>

#include "golden/model_fixture.hpp"
#include "tensor/library.hpp"

namespace tessera::testing {
namespace {

/// Loss and all gradients of two micro-batches in turn, so that what is shared between layers and kept between steps is
/// used again. The first has fewer sequences than the stage has room for.
std::vector<float> loss_and_gradients(GoldenFile& golden, LoadedModel& model, float dropout,
                                      model::Recompute recompute) {
  model::GptStage stage = model.stage(golden.batch, golden.length, recompute);
  std::vector<float> result;
  for (const std::int64_t first : {1, 0}) {
    const std::vector<std::uint64_t> samples = {7, std::uint64_t{1} << 33, 9};
    model::MicroBatch batch = rows_of_batch(golden.tokens, golden.targets, first, golden.batch - first, golden.length);
    batch.samples = std::span(samples).subspan(0, static_cast<std::size_t>(batch.batch()));
    const auto accumulate = first == 1 ? tensor::Accumulate::no : tensor::Accumulate::yes;
    const model::MicroStep step{0, {dropout, 5}, 0.1f, accumulate};
    result.push_back(static_cast<float>(stage.forward(batch, step)));
    stage.backward(batch, step);
  }
  stage.fold_embedding();
  for (const model::Parameter& p : model.parameters.all()) {
    const auto gradient = p.gradient.span<float>();
    result.insert(result.end(), gradient.begin(), gradient.end());
  }
  return result;
}

}  // namespace

BOOST_DATA_TEST_CASE(recomputed_activations_give_the_same_bits,
                     golden_cases* boost::unit_test::data::make({"f32", "bf16"}), name, precision) {
  const base::DType dtype = std::string(precision) == "bf16" ? base::DType::bf16 : base::DType::f32;
  if (dtype == base::DType::bf16 && !tensor::has_bf16_products()) {
    skip("this CPU multiplies no bf16 (AVX512-BF16)");
    return;
  }
  GoldenFile golden = golden_case(name);
  for (const std::int64_t window : {0, 4}) {
    LoadedModel model(config_of(golden, window), golden.weights, true, dtype);
    std::vector<float> without_dropout;
    for (const float dropout : {0.0f, 0.3f}) {
      const std::string what = "window " + std::to_string(window) + " dropout " + std::to_string(dropout);
      const std::vector<float> kept = loss_and_gradients(golden, model, dropout, model::Recompute::none);
      BOOST_TEST((loss_and_gradients(golden, model, dropout, model::Recompute::selective) == kept),
                 what << ": selective recomputation changes bits");
      BOOST_TEST((loss_and_gradients(golden, model, dropout, model::Recompute::full) == kept),
                 what << ": full recomputation changes bits");
      BOOST_TEST((kept != without_dropout), what << ": dropout changes nothing");
      without_dropout = kept;
    }
  }
}

}  // namespace tessera::testing
