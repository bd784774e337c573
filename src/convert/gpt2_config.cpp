// SPDX-License-Identifier: Apache-2.0
#include "convert/gpt2_config.hpp"

#include <stdexcept>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "model/linear.hpp"

namespace tessera::convert {
namespace {

using Name = std::pair<std::string_view, std::string_view>;  // ours, theirs

/// The first name of an activation is the one that is written.
constexpr Name kActivations[] = {{"gelu_tanh", "gelu_new"}, {"gelu_tanh", "gelu_pytorch_tanh"},
                                 {"gelu", "gelu"},          {"relu", "relu"},
                                 {"silu", "silu"},          {"silu", "swish"}};

constexpr double kEpsilon = 1e-5;
static_assert(static_cast<float>(kEpsilon) == model::Norm::epsilon);

std::string theirs_of(std::string_view activation) {
  for (const auto& [ours, theirs] : kActivations)
    if (ours == activation) return std::string(theirs);
  throw std::logic_error("activation " + std::string(activation) + " has no name in GPT-2");
}

/// Reads members one after the other and notes what is wrong with them.
class Reading {
 public:
  Reading(const json::Json& file, const std::string& path) : file_(file), path_(path) {}

  void problem(const std::string& text) { problems_ += "\n  " + text; }

  /// The value of a member as text, if it is there, not null, and whole.
  void claim_whole(const char* key, const char* name) {
    const json::Json* value = file_.find(name);
    if (value == nullptr || value->is_null()) return;
    if (value->is_int())
      claims_.push_back({key, std::to_string(value->as_int()), source_of(name)});
    else
      problem(fmt::format("{} = {} is no whole number", name, value->dump()));
  }

  void claim_activation() {
    const json::Json* value = file_.find("activation_function");
    if (value == nullptr) return claim("model.activation", "gelu_tanh", "activation_function");
    const std::string name = value->is_string() ? value->as_string() : value->dump();
    std::string known;
    for (const auto& [ours, theirs] : kActivations) {
      if (theirs == name) return claim("model.activation", std::string(ours), "activation_function");
      known += (known.empty() ? "" : ", ") + std::string(theirs);
    }
    problem(fmt::format("activation_function = {} is not known; known are {}", name, known));
  }

  /// One rate for all, as ours is.
  void claim_dropout() {
    std::vector<double> rates;
    for (const char* name : {"embd_pdrop", "attn_pdrop", "resid_pdrop"}) rates.push_back(number(name, 0.1));
    if (rates[0] == rates[1] && rates[1] == rates[2])
      claim("model.dropout", fmt::format("{}", rates[0]), "resid_pdrop");
    else
      problem(
          fmt::format("embd_pdrop = {}, attn_pdrop = {} and resid_pdrop = {} differ, here they are one rate: make "
                      "them equal, which does not change the weights",
                      rates[0], rates[1], rates[2]));
  }

  void claim(const char* key, std::string value, const char* name) {
    claims_.push_back({key, std::move(value), source_of(name)});
  }

  bool flag(const char* name, bool fallback) {
    const json::Json* value = file_.find(name);
    if (value == nullptr || value->is_null()) return fallback;
    if (value->is_bool()) return value->as_bool();
    problem(fmt::format("{} = {} is neither true nor false", name, value->dump()));
    return fallback;
  }

  double number(const char* name, double fallback) {
    const json::Json* value = file_.find(name);
    if (value == nullptr || value->is_null()) return fallback;
    if (value->is_number()) return value->as_double();
    problem(fmt::format("{} = {} is no number", name, value->dump()));
    return fallback;
  }

  void require_flag(const char* name, bool wanted) {
    if (flag(name, wanted) != wanted) problem(fmt::format("{} = {}, here it is always {}", name, !wanted, wanted));
  }

  std::vector<Claim> take() {
    if (!problems_.empty())
      base::fail_usage("'{}' describes a model that this program does not have:{}", path_, problems_);
    return std::move(claims_);
  }

 private:
  std::string source_of(const char* name) const { return fmt::format("{} of '{}'", name, path_); }

  const json::Json& file_;
  const std::string& path_;
  std::vector<Claim> claims_;
  std::string problems_;
};

}  // namespace

json::Json gpt2_config(const config::ModelConfig& config, std::int64_t end_token) {
  json::Json file;
  file.set("architectures", json::Array{"GPT2LMHeadModel"}).set("model_type", "gpt2");
  file.set("n_layer", config.layers).set("n_embd", config.hidden).set("n_head", config.heads);
  file.set("n_positions", config.context).set("n_ctx", config.context).set("vocab_size", config.vocab);
  file.set("n_inner", config.mlp()).set("activation_function", theirs_of(config.activation));
  for (const char* rate : {"embd_pdrop", "attn_pdrop", "resid_pdrop"}) file.set(rate, config.dropout);
  file.set("layer_norm_epsilon", kEpsilon).set("tie_word_embeddings", config.tied_head);
  file.set("scale_attn_weights", true).set("scale_attn_by_inverse_layer_idx", false);
  file.set("bos_token_id", end_token).set("eos_token_id", end_token).set("torch_dtype", "float32");
  return file;
}

std::vector<Claim> claims_of(const json::Json& file, const std::string& path) {
  if (!file.is_object()) base::fail_usage("'{}' is no JSON object", path);
  Reading reading(file, path);
  const json::Json* type = file.find("model_type");
  if (type == nullptr || !type->is_string() || type->as_string() != "gpt2")
    reading.problem(fmt::format("model_type = {}; only gpt2 is known", type == nullptr ? "nothing" : type->dump()));
  reading.claim_whole("model.layers", "n_layer");
  reading.claim_whole("model.hidden", "n_embd");
  reading.claim_whole("model.heads", "n_head");
  reading.claim_whole("model.context", "n_positions");
  reading.claim_whole("model.vocab", "vocab_size");
  reading.claim_activation();
  reading.claim_dropout();
  reading.claim("model.tied_head", reading.flag("tie_word_embeddings", true) ? "true" : "false", "tie_word_embeddings");
  reading.require_flag("scale_attn_weights", true);
  reading.require_flag("scale_attn_by_inverse_layer_idx", false);
  reading.require_flag("add_cross_attention", false);
  if (const double epsilon = reading.number("layer_norm_epsilon", kEpsilon); epsilon != kEpsilon)
    reading.problem(fmt::format("layer_norm_epsilon = {}, here it is always {}", epsilon, kEpsilon));
  const double width = reading.number("n_embd", 768), inner = reading.number("n_inner", 4 * width);
  if (inner != 4 * width)
    reading.problem(fmt::format("n_inner = {}, here it is always 4 n_embd = {}", inner, 4 * width));
  return reading.take();
}

}  // namespace tessera::convert
