// SPDX-License-Identifier: Apache-2.0
// Each element of each tensor in its place, and the memory that it takes to get there.
#include "convert/transfer.hpp"

#include <algorithm>
#include <map>

#include "fixture.hpp"

namespace tessera::convert {
namespace {

using Store = std::map<std::string, std::vector<float>>;

ReadElements reader_of(const Store& store) {
  return [&](const std::string& name, std::uint64_t first, std::span<float> values) {
    const std::vector<float>& from = store.at(name);
    BOOST_REQUIRE(first + values.size() <= from.size());
    std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(first), values.size(), values.begin());
  };
}

/// Takes elements in order only, as promised.
WriteElements writer_to(Store& store) {
  return [&](const std::string& name, std::uint64_t first, std::span<const float> values) {
    BOOST_REQUIRE(first == store[name].size());
    store[name].insert(store[name].end(), values.begin(), values.end());
  };
}

Store our_weights(const config::ModelConfig& config) {
  Store ours;
  for (const model::ParameterSpec& spec : model::parameter_specs(config)) ours[spec.name] = values_of(spec);
  return ours;
}

Store converted(const config::ModelConfig& config, const Store& ours, Workspace& workspace) {
  Store theirs;
  for (const Gpt2Tensor& tensor : gpt2_layout(config)) to_gpt2(tensor, reader_of(ours), writer_to(theirs), workspace);
  return theirs;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_layout_is_that_of_hugging_face) {
  std::map<std::string, std::vector<std::uint64_t>> shapes;
  for (const Gpt2Tensor& tensor : gpt2_layout(small_model(false)))
    BOOST_TEST(shapes.emplace(full_name(tensor.name), tensor.shape).second, tensor.name);
  using Shape = std::vector<std::uint64_t>;
  const auto check = [&](const std::string& name, const Shape& shape) {
    BOOST_REQUIRE_MESSAGE(shapes.contains(name), name);
    BOOST_TEST(shapes.at(name) == shape, boost::test_tools::per_element());
    shapes.erase(name);
  };
  check("transformer.wte.weight", {300, 6});
  check("transformer.wpe.weight", {5, 6});
  for (const std::string block : {"transformer.h.0.", "transformer.h.1."}) {
    for (const std::string norm : {"ln_1", "ln_2"})
      for (const std::string kind : {".weight", ".bias"}) check(block + norm + kind, {6});
    check(block + "attn.c_attn.weight", {6, 18});
    check(block + "attn.c_attn.bias", {18});
    check(block + "attn.c_proj.weight", {6, 6});
    check(block + "attn.c_proj.bias", {6});
    check(block + "mlp.c_fc.weight", {6, 24});
    check(block + "mlp.c_fc.bias", {24});
    check(block + "mlp.c_proj.weight", {24, 6});
    check(block + "mlp.c_proj.bias", {6});
  }
  check("transformer.ln_f.weight", {6});
  check("transformer.ln_f.bias", {6});
  check("lm_head.weight", {300, 6});
  BOOST_TEST(shapes.empty());
  BOOST_TEST(gpt2_layout(small_model(true)).size() == gpt2_layout(small_model(false)).size() - 1);
}

BOOST_AUTO_TEST_CASE(a_model_without_a_place_in_gpt2_is_refused) {
  config::ModelConfig config = small_model();
  config.attention = "alternating";
  config.window = 3;
  BOOST_CHECK_EXCEPTION(gpt2_layout(config), base::UsageError,
                        says({"model.attention = alternating", "all dense", "train with model.attention = dense"}));
}

BOOST_AUTO_TEST_CASE(every_element_is_in_its_place) {
  const config::ModelConfig config = small_model(false);
  const Store ours = our_weights(config);
  Workspace workspace;
  const Store theirs = converted(config, ours, workspace);
  const std::size_t H = 6, F = 24;
  const auto is_transpose = [&](const std::string& our_name, const std::string& their_name, std::size_t in,
                                std::size_t out, std::size_t row, std::size_t column) {
    std::size_t wrong = 0;
    for (std::size_t o = 0; o < out; ++o)
      for (std::size_t i = 0; i < in; ++i)
        wrong += theirs.at(their_name)[i * row + column + o] == ours.at(our_name)[o * in + i] ? 0 : 1;
    BOOST_TEST(wrong == 0u, our_name);
  };
  const std::vector<std::string> packed = {"query", "key", "value"};
  for (std::size_t part = 0; part < 3; ++part) {
    const std::string ours_of_part = "blocks.1.attention." + packed[part];
    is_transpose(ours_of_part + ".weight", "h.1.attn.c_attn.weight", H, H, 3 * H, part * H);
    const std::vector<float>& bias = theirs.at("h.1.attn.c_attn.bias");
    const std::vector<float> third(bias.begin() + static_cast<std::ptrdiff_t>(part * H),
                                   bias.begin() + static_cast<std::ptrdiff_t>((part + 1) * H));
    BOOST_TEST(third == ours.at(ours_of_part + ".bias"), boost::test_tools::per_element());
  }
  is_transpose("blocks.0.attention.output.weight", "h.0.attn.c_proj.weight", H, H, H, 0);
  is_transpose("blocks.0.mlp.up.weight", "h.0.mlp.c_fc.weight", H, F, F, 0);
  is_transpose("blocks.1.mlp.down.weight", "h.1.mlp.c_proj.weight", F, H, H, 0);
  const std::vector<std::pair<std::string, std::string>> same = {
      {"token_embedding", "wte.weight"},
      {"position_embedding", "wpe.weight"},
      {"head.weight", "lm_head.weight"},
      {"final_norm.gain", "ln_f.weight"},
      {"final_norm.bias", "ln_f.bias"},
      {"blocks.1.attention_norm.gain", "h.1.ln_1.weight"},
      {"blocks.1.attention_norm.bias", "h.1.ln_1.bias"},
      {"blocks.0.mlp_norm.gain", "h.0.ln_2.weight"},
      {"blocks.0.mlp_norm.bias", "h.0.ln_2.bias"},
      {"blocks.0.attention.output.bias", "h.0.attn.c_proj.bias"},
      {"blocks.0.mlp.up.bias", "h.0.mlp.c_fc.bias"},
      {"blocks.0.mlp.down.bias", "h.0.mlp.c_proj.bias"},
  };
  for (const auto& [our_name, their_name] : same)
    BOOST_TEST(ours.at(our_name) == theirs.at(their_name), boost::test_tools::per_element());
}

// Shapes where matrices come in several pieces, whose edges lie within query, key or value, and where they do not; with
// the embedding or the MLP as the largest tensor.
BOOST_AUTO_TEST_CASE(there_and_back_is_the_same_within_the_memory_promised) {
  const std::vector<std::array<std::int64_t, 3>> shapes = {{2, 3, 2}, {6, 300, 5}, {260, 300, 9}, {1100, 1200, 3}};
  for (const auto& [hidden, vocab, context] : shapes) {
    config::ModelConfig config = small_model();
    config.layers = 1;
    config.heads = 1;
    config.hidden = hidden;
    config.vocab = vocab;
    config.context = context;
    const Store ours = our_weights(config);
    Workspace there, back;
    const Store theirs = converted(config, ours, there);
    Store again;
    std::uint64_t largest = 0;
    for (const Gpt2Tensor& tensor : gpt2_layout(config)) {
      from_gpt2(tensor, reader_of(theirs), writer_to(again), back);
      largest = std::max(largest, tensor.num_elements() * sizeof(float));
    }
    BOOST_TEST((again == ours), "hidden " << hidden);
    BOOST_TEST(there.peak_bytes() <= largest + largest / 2);
    BOOST_TEST(back.peak_bytes() <= largest + largest / 2);
    BOOST_TEST(there.peak_bytes() > 0u);
  }
}

BOOST_AUTO_TEST_CASE(the_workspace_counts_what_it_holds_at_once) {
  Workspace workspace;
  workspace.tensor(100);
  BOOST_TEST(workspace.peak_bytes() == 400u);
  workspace.piece(10);
  BOOST_TEST(workspace.peak_bytes() == 440u);
  workspace.tensor(50);
  BOOST_TEST(workspace.peak_bytes() == 440u);
  workspace.tensor(200);  // instead of the 100
  BOOST_TEST(workspace.peak_bytes() == 840u);
}

}  // namespace tessera::convert
