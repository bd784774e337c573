// SPDX-License-Identifier: Apache-2.0
// With data.document_mask a document neither sees nor feels what stands before it in its window.
#include <boost/test/unit_test.hpp>
#include <cstring>

#include "data/document_starts.hpp"
#include "model/gpt_stage.hpp"
#include "unit/train/fixture.hpp"

namespace tessera::testing {
namespace {

constexpr std::int64_t kContext = 24;
constexpr std::int32_t kEnd = 256;  // of the bytes tokenizer

config::Config tiny(bool document_mask) {
  config::Config config;
  config.model.layers = 2;
  config.model.hidden = 32;
  config.model.heads = 2;
  config.model.context = kContext;
  config.model.vocab = 257;
  config.optim.batch = config.optim.micro_batch = 4;
  config.data.document_mask = document_mask;
  return config;
}

BOOST_AUTO_TEST_CASE(documents_begin_behind_end_tokens) {
  const std::vector<std::int32_t> tokens = {5, 9, 1, 2, 9, 9, 3};
  std::vector<std::int32_t> starts(tokens.size());
  data::document_starts(tokens.data(), 7, 9, starts.data());
  BOOST_TEST((starts == std::vector<std::int32_t>{0, 0, 2, 2, 2, 5, 6}));
}

/// The bytes tokenizer without its end token.
class EndlessTokenizer : public text::Tokenizer {
 public:
  void encode(std::string_view, std::vector<text::TokenId>&) const override {}
  std::string decode(const text::TokenId*, std::size_t) const override { return ""; }
  std::int64_t vocab_size() const override { return 256; }
  text::TokenId end_token() const override { return -1; }
  const char* kind() const override { return "endless"; }
  std::string serialize() const override { return "{}"; }
};

BOOST_AUTO_TEST_CASE(a_mask_needs_a_token_that_ends_documents) {
  BOOST_TEST(train::document_end(tiny(false).data, *text::bytes_tokenizer()) == -1);
  BOOST_TEST(train::document_end(tiny(true).data, *text::bytes_tokenizer()) == kEnd);
  BOOST_TEST(train::document_end(tiny(false).data, EndlessTokenizer()) == -1);
  expect_words(message_of([] { train::document_end(tiny(true).data, EndlessTokenizer()); }),
               {"data.document_mask = true", "the endless tokenizer", "set it to false"});
}

BOOST_AUTO_TEST_CASE(batches_carry_the_starts_of_their_documents) {
  const LetterFiles data(1, 20, 9);
  train::BatchSource masked(data.mixture({1}), tiny(true), 0, 1), plain(data.mixture({1}), tiny(false), 0, 1);
  BOOST_TEST(plain.load(0, 0).document_starts.empty());
  const model::MicroBatch batch = masked.load(0, 0);
  const auto *tokens = batch.tokens.as<std::int32_t>(), *starts = batch.document_starts.as<std::int32_t>();
  int documents = 0;
  for (std::int64_t b = 0; b < 4; ++b)
    for (std::int64_t t = 0; t < kContext; ++t) {
      const std::int64_t at = b * kContext + t;
      const bool begins = t > 0 && tokens[at - 1] == kEnd;
      BOOST_TEST_REQUIRE(starts[at] == (begins ? t : t == 0 ? 0 : starts[at - 1]));
      documents += begins;
    }
  BOOST_TEST(documents >= 8);  // of 11 tokens each
}

/// Losses of positions from `first` on in a window of `before` and a document behind it.
std::vector<float> losses_behind(const std::vector<std::int32_t>& before, bool document_mask,
                                 std::vector<float>* gradient = nullptr) {
  const config::Config config = tiny(document_mask);
  tensor::Device device(1);
  tensor_parallel::TensorAxis axis(device);
  model::Parameters parameters(config.model, model::whole_model(config.model));
  parameters.initialize(3, device);
  model::GptStage stage(device, axis, config.model, parameters, {1, kContext, true});
  std::vector<std::int32_t> tokens = before, targets(kContext, -1), starts(kContext);
  const auto first = static_cast<std::int64_t>(before.size());
  for (std::int64_t t = first; t < kContext; ++t) tokens.push_back(static_cast<std::int32_t>(65 + t * t % 26));
  for (std::int64_t t = first; t + 1 < kContext; ++t) targets[t] = tokens[t + 1];
  data::document_starts(tokens.data(), kContext, document_mask ? kEnd : -1, starts.data());
  const tensor::Shape shape{1, kContext};
  const model::MicroBatch batch{{tokens.data(), shape}, {targets.data(), shape}, {}, {starts.data(), shape}};
  model::MicroStep step;
  step.gradient_scale = 1.0f;
  stage.forward(batch, step);
  stage.backward(batch, step);
  if (gradient) {
    const auto values = parameters.get("position_embedding").gradient.span<float>();
    gradient->assign(values.begin(), values.begin() + first * config.model.hidden);
  }
  const auto losses = stage.losses().span<float>();
  return {losses.begin() + first, losses.begin() + kContext - 1};
}

BOOST_AUTO_TEST_CASE(the_loss_of_a_document_does_not_depend_on_what_stands_before_it) {
  const std::vector<std::int32_t> one = {72, 101, 108, 108, 111, 33, kEnd}, other = {1, 2, kEnd, 3, 4, 5, kEnd};
  std::vector<float> into_one;
  const std::vector<float> losses = losses_behind(one, true, &into_one);
  BOOST_TEST((losses == losses_behind(other, true)));
  BOOST_TEST((losses_behind(one, false) != losses_behind(other, false)));  // which the mask is there for
  for (const float value : into_one) BOOST_TEST_REQUIRE(value == 0.0f);    // no gradient reaches the text before
}

}  // namespace
}  // namespace tessera::testing
