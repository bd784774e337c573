// SPDX-License-Identifier: Apache-2.0
// The model in bf16 against PyTorch that rounds where Tessera rounds, and its error against the error of PyTorch's own
// mixed precision. Tensors are compared by the root of their sum of squares.
#include <boost/test/data/test_case.hpp>

#include "golden/model_fixture.hpp"
#include "golden/reference_model.hpp"
#include "tensor/library.hpp"

namespace tessera::testing {
namespace {

const std::vector<std::string> bf16_cases = {"gpt_gelu_tanh_tied", "gpt_gelu_tanh_untied", "gpt_silu_tied_banded"};

/// Part of bf16's own error that Tessera may lie beside the emulation. The batches were chosen such that float sums in
/// another order move nothing by more than 0.01 (draw_steady_batch in scripts/make_golden.py); a rounding too many, too
/// few or at another place moves most tensors by 0.3 and more.
constexpr double kBesideEmulation = 0.03;

/// Tessera's error against that of autocast, which rounds in other places: another draw of about as much noise.
constexpr double kError = 1.5, kErrorOfAll = 1.2;

/// A case in bf16 and in double precision.
class Bf16Case {
 public:
  explicit Bf16Case(const std::string& name)
      : golden_(golden_case(name.ends_with("_banded") ? banded_case : name)),
        variant(golden_variant(name + "_bf16")),
        model_(config_of(golden_, variant.window), golden_.weights, true, base::DType::bf16),
        stage_(model_.stage(1, golden_.length)) {}

  /// Runs one sequence in both.
  void run(std::vector<std::int32_t>& tokens, std::vector<std::int32_t>& targets, std::int64_t sequence) {
    const model::MicroBatch batch = rows_of_batch(tokens, targets, sequence, 1, golden_.length);
    loss = mean_loss(batch, stage_, false);
    logits.resize(variant.logits.values.size());
    tensor::widen(model_.device, stage_.logits(), {logits.data(), stage_.logits().shape()});
    BOOST_TEST(std::abs(mean_loss(batch, stage_, true) - loss) <= 1e-6);
    for (const model::Parameter& parameter : model_.parameters.all()) {
      const auto gradient = parameter.gradient.span<float>();
      gradients[parameter.spec.name] = {gradient.begin(), gradient.end()};
    }
    const reference::GptConfig config = reference_config(golden_, variant.window);
    const reference::Weights weights = as_doubles(golden_.weights);
    const auto ids = batch.tokens.span<std::int32_t>(), next = batch.targets.span<std::int32_t>();
    exact = reference::forward(config, weights, {ids.begin(), ids.end()}, {next.begin(), next.end()}, 1);
    exact_gradients = reference::backward(config, weights, exact);
  }

 private:
  GoldenFile golden_;

 public:
  GoldenVariant variant;
  double loss = 0;
  std::vector<float> logits;
  std::map<std::string, std::vector<float>> gradients;
  reference::GptTrace exact;
  reference::Weights exact_gradients;

 private:
  LoadedModel model_;
  model::GptStage stage_;
};

/// Sum of squared differences.
template <class First, class Second>
double squared_distance(const First& first, const Second& second) {
  BOOST_REQUIRE_EQUAL(first.size(), second.size());
  double squares = 0;
  for (std::size_t i = 0; i < first.size(); ++i)
    squares += std::pow(static_cast<double>(first[i]) - static_cast<double>(second[i]), 2);
  return squares;
}

bool skipped() {
  if (tensor::has_bf16_products()) return false;
  skip("this CPU multiplies no bf16 (AVX512-BF16)");
  return true;
}

}  // namespace

BOOST_DATA_TEST_CASE(bf16_equals_pytorch_rounded_in_the_same_places, bf16_cases, name) {
  if (skipped()) return;
  Bf16Case test(name);
  GoldenVariant& emulated = test.variant;
  test.run(emulated.tokens, emulated.targets, 0);
  const auto expect = [&](const std::string& what, const std::vector<float>& values, const Tensor& expected,
                          const reference::Values& exact) {
    const double beside = std::sqrt(squared_distance(values, expected.values));
    const double error = std::sqrt(squared_distance(expected.values, exact));
    BOOST_TEST(beside <= kBesideEmulation * error,
               what << ": " << beside << " beside the emulation, whose own error is " << error);
  };
  BOOST_TEST(std::abs(test.loss - emulated.loss) <= 2e-6, test.loss << " instead of " << emulated.loss);
  expect("logits", test.logits, emulated.logits, test.exact.logits);
  BOOST_TEST(test.gradients.size() == emulated.gradients.size());
  for (const auto& [tensor, gradient] : test.gradients)
    expect("gradient of " + tensor, gradient, emulated.gradients.at(tensor), test.exact_gradients.at(tensor));
}

BOOST_DATA_TEST_CASE(bf16_error_is_no_larger_than_that_of_autocast, bf16_cases, name) {
  if (skipped()) return;
  Bf16Case test(name);
  GoldenVariant::Autocast& autocast = test.variant.autocast;
  const auto num_sequences = static_cast<std::int64_t>(autocast.tokens.size() / test.variant.tokens.size());
  BOOST_TEST(num_sequences > 1);
  double logits = 0;
  std::map<std::string, double> squares;
  for (std::int64_t sequence = 0; sequence < num_sequences; ++sequence) {
    test.run(autocast.tokens, autocast.targets, sequence);
    logits += squared_distance(test.logits, test.exact.logits);
    for (const auto& [tensor, gradient] : test.gradients)
      squares[tensor] += squared_distance(gradient, test.exact_gradients.at(tensor));
  }
  const auto expect = [](const std::string& what, double square, double of_autocast, double most) {
    const double ratio = std::sqrt(square) / of_autocast;
    BOOST_TEST(ratio <= most, what << ": " << ratio << " times the error of autocast, " << of_autocast);
  };
  expect("logits", logits, autocast.logits_error, kError);
  double all = 0, all_of_autocast = 0;
  for (const auto& [tensor, square] : squares) {
    expect("gradient of " + tensor, square, autocast.errors.at(tensor), kError);
    all += square;
    all_of_autocast += std::pow(autocast.errors.at(tensor), 2);
  }
  expect("all gradients", all, std::sqrt(all_of_autocast), kErrorOfAll);
}

}  // namespace tessera::testing
