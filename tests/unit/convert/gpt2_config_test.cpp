// SPDX-License-Identifier: Apache-2.0
#include "convert/gpt2_config.hpp"

#include <map>

#include "convert/inventory.hpp"
#include "fixture.hpp"

namespace tessera::convert {
namespace {

using json::Json;

Json small_file() {
  return gpt2_config(small_model(), 299);
}

std::map<std::string, std::string> claimed(const Json& file) {
  std::map<std::string, std::string> claims;
  for (const Claim& claim : claims_of(file, "x/config.json")) claims[claim.key] = claim.value;
  return claims;
}

void refused(const Json& file, std::vector<std::string> parts) {
  parts.emplace_back("'x/config.json'");
  BOOST_CHECK_EXCEPTION(claims_of(file, "x/config.json"), base::UsageError, says(parts));
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_is_written_is_read) {
  for (const std::string activation : {"gelu_tanh", "gelu", "relu", "silu"})
    for (const bool tied : {true, false}) {
      config::ModelConfig config = small_model(tied);
      config.activation = activation;
      const config::ModelConfig again = settle(claims_of(gpt2_config(config, 299), "x"), {});
      BOOST_TEST(config::describe(again) == config::describe(config));
      BOOST_TEST(again.activation == activation);
      BOOST_TEST(again.dropout == config.dropout);
    }
}

BOOST_AUTO_TEST_CASE(members_have_the_names_and_values_of_transformers) {
  const Json file = small_file();
  const std::map<std::string, std::string> expected = {{"model_type", "\"gpt2\""},
                                                       {"architectures", "[\"GPT2LMHeadModel\"]"},
                                                       {"n_layer", "2"},
                                                       {"n_embd", "6"},
                                                       {"n_head", "3"},
                                                       {"n_positions", "5"},
                                                       {"n_ctx", "5"},
                                                       {"vocab_size", "300"},
                                                       {"n_inner", "24"},
                                                       {"activation_function", "\"relu\""},
                                                       {"embd_pdrop", "0.25"},
                                                       {"attn_pdrop", "0.25"},
                                                       {"resid_pdrop", "0.25"},
                                                       {"layer_norm_epsilon", "1e-05"},
                                                       {"tie_word_embeddings", "true"},
                                                       {"torch_dtype", "\"float32\""},
                                                       {"bos_token_id", "299"},
                                                       {"eos_token_id", "299"}};
  for (const auto& [name, value] : expected) BOOST_TEST(file.at(name).dump() == value, name);
}

BOOST_AUTO_TEST_CASE(what_a_file_leaves_out_is_as_transformers_has_it) {
  const auto claims = claimed(Json().set("model_type", "gpt2").set("n_inner", nullptr).set("n_embd", 8));
  BOOST_TEST(claims.at("model.activation") == "gelu_tanh");
  BOOST_TEST(claims.at("model.dropout") == "0.1");
  BOOST_TEST(claims.at("model.tied_head") == "true");
  BOOST_TEST(!claims.contains("model.heads"));  // there it would be 12, whatever the width
}

BOOST_AUTO_TEST_CASE(activations_go_by_all_their_names) {
  for (const auto& [theirs, ours] : std::map<std::string, std::string>{
           {"gelu_new", "gelu_tanh"}, {"gelu_pytorch_tanh", "gelu_tanh"}, {"gelu", "gelu"}, {"swish", "silu"}})
    BOOST_TEST(claimed(small_file().set("activation_function", theirs)).at("model.activation") == ours);
}

BOOST_AUTO_TEST_CASE(what_our_model_does_not_do_is_refused_by_name) {
  refused(json::Array{}, {"no JSON object"});
  refused(small_file().set("model_type", "llama"), {"model_type = \"llama\""});
  refused(small_file().set("activation_function", "quick_gelu"), {"activation_function = quick_gelu", "gelu_new"});
  refused(small_file().set("n_inner", 25), {"n_inner = 25", "24"});
  refused(small_file().set("layer_norm_epsilon", 1e-6), {"layer_norm_epsilon = 1e-06", "1e-05"});
  refused(small_file().set("attn_pdrop", 0.5), {"attn_pdrop = 0.5", "resid_pdrop = 0.25", "make them equal"});
  refused(small_file().set("scale_attn_weights", false), {"scale_attn_weights = false"});
  refused(small_file().set("scale_attn_by_inverse_layer_idx", true), {"scale_attn_by_inverse_layer_idx = true"});
  refused(small_file().set("add_cross_attention", true), {"add_cross_attention = true"});
  refused(small_file().set("n_layer", "two"), {"n_layer = \"two\" is no whole number"});
  refused(small_file().set("tie_word_embeddings", 1), {"tie_word_embeddings = 1 is neither"});
  // All of it in one message.
  refused(Json().set("n_layer", 1.5).set("layer_norm_epsilon", "x").set("activation_function", 3),
          {"model_type", "n_layer = 1.5", "layer_norm_epsilon", "activation_function = 3"});
}

BOOST_AUTO_TEST_CASE(sources_must_agree) {
  const std::vector<Claim> claims = {{"model.layers", "1k", "--model.layers"},
                                     {"model.layers", "1000", "n_layer of 'x'"},
                                     {"model.hidden", "64", "columns of wte.weight"},
                                     {"model.heads", "4", "--model.heads"}};
  BOOST_TEST(settle(claims, {}).layers == 1000);
  std::vector<Claim> other = claims;
  other.push_back({"model.layers", "12", "blocks h.N in the files"});
  other.push_back({"model.vocab", "-3", "vocab_size of 'x'"});
  BOOST_CHECK_EXCEPTION(settle(other, {}), base::UsageError,
                        says({"model.layers = 1k (--model.layers), but 12 (blocks h.N in the files)", "model.vocab",
                              "(vocab_size of 'x')"}));
  other = claims;
  other.back().value = "5";
  BOOST_CHECK_EXCEPTION(settle(other, {}), base::UsageError, says({"model.heads = 5 must divide model.hidden = 64"}));
}

}  // namespace tessera::convert
