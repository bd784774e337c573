// SPDX-License-Identifier: Apache-2.0
#include "convert/gpt2_layout.hpp"

#include <stdexcept>
#include <utility>

#include "base/error.hpp"
#include "model/parameter_specs.hpp"

namespace tessera::convert {
namespace {

using Name = std::pair<std::string_view, std::string_view>;  // ours, theirs

constexpr Name kBlockNames[] = {
    {"attention_norm.gain", "ln_1.weight"},
    {"attention_norm.bias", "ln_1.bias"},
    {"attention.query.weight", "attn.c_attn.weight"},
    {"attention.key.weight", "attn.c_attn.weight"},
    {"attention.value.weight", "attn.c_attn.weight"},
    {"attention.query.bias", "attn.c_attn.bias"},
    {"attention.key.bias", "attn.c_attn.bias"},
    {"attention.value.bias", "attn.c_attn.bias"},
    {"attention.output.weight", "attn.c_proj.weight"},
    {"attention.output.bias", "attn.c_proj.bias"},
    {"mlp_norm.gain", "ln_2.weight"},
    {"mlp_norm.bias", "ln_2.bias"},
    {"mlp.up.weight", "mlp.c_fc.weight"},
    {"mlp.up.bias", "mlp.c_fc.bias"},
    {"mlp.down.weight", "mlp.c_proj.weight"},
    {"mlp.down.bias", "mlp.c_proj.bias"},
};

constexpr Name kOtherNames[] = {
    {"token_embedding", "wte.weight"}, {"position_embedding", "wpe.weight"}, {"final_norm.gain", "ln_f.weight"},
    {"final_norm.bias", "ln_f.bias"},  {"head.weight", "lm_head.weight"},
};

constexpr std::string_view kPrefix = "transformer.", kHead = "lm_head.";

template <class Table>
std::string_view look_up(const Table& table, std::string_view ours) {
  for (const auto& [name, theirs] : table)
    if (name == ours) return theirs;
  throw std::logic_error("parameter " + std::string(ours) + " has no place in GPT-2");
}

bool is_of_block(const model::ParameterSpec& spec) {
  return spec.name.starts_with("blocks.");
}

std::string name_of(const model::ParameterSpec& spec) {
  if (!is_of_block(spec)) return std::string(look_up(kOtherNames, spec.name));
  const std::string block = "blocks." + std::to_string(spec.layer) + ".";
  return "h." + std::to_string(spec.layer) + "." +
         std::string(look_up(kBlockNames, std::string_view(spec.name).substr(block.size())));
}

}  // namespace

std::uint64_t Gpt2Tensor::num_elements() const {
  std::uint64_t elements = 1;
  for (const std::uint64_t extent : shape) elements *= extent;
  return elements;
}

std::vector<Gpt2Tensor> gpt2_layout(const config::ModelConfig& config) {
  if (config.attention != "dense")
    base::fail_usage(
        "model.attention = {} has no place in GPT-2, whose layers are all dense: train with model.attention = dense, "
        "or keep the checkpoint",
        config.attention);
  std::vector<Gpt2Tensor> tensors;
  for (const model::ParameterSpec& spec : model::parameter_specs(config)) {
    Gpt2Tensor tensor;
    tensor.name = name_of(spec);
    for (int dim = 0; dim < spec.shape.num_dims(); ++dim)
      tensor.shape.push_back(static_cast<std::uint64_t>(spec.shape[dim]));
    tensor.transposed = is_of_block(spec) && tensor.shape.size() == 2;
    if (tensor.transposed) std::swap(tensor.shape[0], tensor.shape[1]);
    tensor.parameters.push_back(spec.name);
    if (!tensors.empty() && tensors.back().name == tensor.name) {
      tensors.back().shape.back() += tensor.shape.back();
      tensors.back().parameters.push_back(spec.name);
    } else {
      tensors.push_back(std::move(tensor));
    }
  }
  return tensors;
}

std::string full_name(const std::string& name) {
  return name.starts_with(kHead) ? name : std::string(kPrefix) + name;
}

std::string_view short_name(std::string_view full_name) {
  return full_name.starts_with(kPrefix) ? full_name.substr(kPrefix.size()) : full_name;
}

}  // namespace tessera::convert
