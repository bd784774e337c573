// SPDX-License-Identifier: Apache-2.0
#include "support/gpt2_weights.hpp"

#include <cstring>

#include "convert/inventory.hpp"
#include "convert/transfer.hpp"
#include "json/json.hpp"
#include "model/parameter_specs.hpp"
#include "safetensors/file_set.hpp"
#include "support/base64.hpp"

namespace tessera::testing {
namespace {

/// The parameters of the model with their shapes, still without values.
Tensors empty_weights(const config::ModelConfig& config) {
  Tensors ours;
  for (const model::ParameterSpec& spec : model::parameter_specs(config))
    for (int dim = 0; dim < spec.shape.num_dims(); ++dim) ours[spec.name].shape.push_back(spec.shape[dim]);
  return ours;
}

}  // namespace

Tensors read_base64_tensors(const std::string& path) {
  const json::Json file = json::parse(read_bytes(path), path);
  Tensors tensors;
  for (const auto& [name, entry] : file.as_object()) {
    if (name == "config") continue;
    if (entry.at("dtype").as_string() != "torch.float32") throw std::runtime_error(path + ": " + name + ": not float");
    Tensor tensor;
    for (const json::Json& extent : entry.at("shape").as_array()) tensor.shape.push_back(extent.as_int());
    tensor.values.resize(static_cast<std::size_t>(num_elements(tensor.shape)));
    const std::string bytes = decode_base64(entry.at("data").as_string());
    if (bytes.size() != tensor.values.size() * sizeof(float)) {
      throw std::runtime_error(path + ": " + name + ": as many bytes as its shape says were expected");
    }
    std::memcpy(tensor.values.data(), bytes.data(), bytes.size());
    tensors.emplace(name, std::move(tensor));
  }
  return tensors;
}

config::ModelConfig nano_sort_config() {
  config::ModelConfig config;
  config.layers = 3;
  config.hidden = 48;
  config.heads = 3;
  config.context = 11;
  config.vocab = 3;
  config.tied_head = false;
  return config;
}

Tensors our_weights_from_nano_sort(const std::string& path) {
  const config::ModelConfig config = nano_sort_config();
  const Tensors theirs = read_base64_tensors(path);
  Tensors ours = empty_weights(config);
  for (const convert::Gpt2Tensor& tensor : convert::gpt2_layout(config)) {
    const std::vector<float>& values = theirs.at(convert::full_name(tensor.name)).values;
    const std::size_t num_parts = tensor.parameters.size(), part_size = values.size() / num_parts;
    for (std::size_t part = 0; part < num_parts; ++part) {
      const auto first = values.begin() + static_cast<std::ptrdiff_t>(part * part_size);
      ours.at(tensor.parameters[part]).values.assign(first, first + static_cast<std::ptrdiff_t>(part_size));
    }
  }
  return ours;
}

Tensors our_weights_from_hf_gpt2(const std::string& folder) {
  const safetensors::FileSet files(folder);
  const convert::Inventory inventory(files);
  std::vector<convert::Claim> claims = inventory.claims();
  claims.push_back({"model.heads", "4", "no shape depends on it"});
  const config::ModelConfig config = convert::settle(claims, {});
  const std::vector<convert::Gpt2Tensor> layout = convert::gpt2_layout(config);
  inventory.require(layout);
  Tensors ours = empty_weights(config);
  convert::Workspace workspace;
  for (const convert::Gpt2Tensor& tensor : layout)
    convert::from_gpt2(
        tensor,
        [&](const std::string& name, std::uint64_t first, std::span<float> values) {
          inventory.read(name, first, values);
        },
        [&](const std::string& parameter, std::uint64_t, std::span<const float> values) {
          std::vector<float>& taken = ours.at(parameter).values;
          taken.insert(taken.end(), values.begin(), values.end());
        },
        workspace);
  return ours;
}

}  // namespace tessera::testing
