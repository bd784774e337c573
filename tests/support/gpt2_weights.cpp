// SPDX-License-Identifier: Apache-2.0
#include "support/gpt2_weights.hpp"

#include <cstring>
#include <string_view>
#include <utility>

#include "json/json.hpp"
#include "support/base64.hpp"
#include "support/safetensors.hpp"

namespace tessera::testing {
namespace {

/// Name in a block of GPT-2 and ours; c_attn is split apart from these.
constexpr std::pair<std::string_view, std::string_view> block_names[] = {
    {"ln_1.weight", "attention_norm.gain"},
    {"ln_1.bias", "attention_norm.bias"},
    {"attn.c_proj.weight", "attention.output.weight"},
    {"attn.c_proj.bias", "attention.output.bias"},
    {"ln_2.weight", "mlp_norm.gain"},
    {"ln_2.bias", "mlp_norm.bias"},
    {"mlp.c_fc.weight", "mlp.up.weight"},
    {"mlp.c_fc.bias", "mlp.up.bias"},
    {"mlp.c_proj.weight", "mlp.down.weight"},
    {"mlp.c_proj.bias", "mlp.down.bias"},
};

/// Names outside of the blocks.
constexpr std::pair<std::string_view, std::string_view> other_names[] = {
    {"wte.weight", "token_embedding"}, {"wpe.weight", "position_embedding"}, {"ln_f.weight", "final_norm.gain"},
    {"ln_f.bias", "final_norm.bias"},  {"lm_head.weight", "head.weight"},
};

Tensor transposed(const Tensor& tensor) {
  const std::int64_t rows = tensor.shape.at(0), columns = tensor.shape.at(1);
  Tensor result{{columns, rows}, std::vector<float>(tensor.values.size())};
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) {
      result.values[static_cast<std::size_t>(j * rows + i)] = tensor.values[static_cast<std::size_t>(i * columns + j)];
    }
  }
  return result;
}

/// Third `part` of the rows.
Tensor third(const Tensor& tensor, std::int64_t part) {
  if (tensor.shape.at(0) % 3 != 0) throw std::runtime_error("c_attn: rows do not divide by 3");
  Tensor result{tensor.shape, {}};
  result.shape[0] /= 3;
  const std::int64_t size = num_elements(result.shape);
  result.values.assign(tensor.values.begin() + part * size, tensor.values.begin() + (part + 1) * size);
  return result;
}

std::string_view without_prefix(std::string_view name, std::string_view prefix) {
  return name.starts_with(prefix) ? name.substr(prefix.size()) : name;
}

template <class Table>
std::string_view lookup(const Table& table, std::string_view name) {
  for (const auto& [theirs, ours] : table) {
    if (theirs == name) return ours;
  }
  throw std::runtime_error("no tensor of ours for \"" + std::string(name) + "\"");
}

/// Renames and splits; matrices of blocks are transposed first if they are [in, out].
Tensors our_weights(const Tensors& theirs, bool block_matrices_are_in_out) {
  Tensors ours;
  for (const auto& [full_name, tensor] : theirs) {
    const std::string_view name = without_prefix(full_name, "transformer.");
    if (!name.starts_with("h.")) {
      ours.emplace(lookup(other_names, name), tensor);
      continue;
    }
    const std::size_t dot = name.find('.', 2);  // h.I.rest
    const std::string block = "blocks." + std::string(name.substr(2, dot - 2)) + ".";
    const std::string_view rest = name.substr(dot + 1);
    if (rest == "attn.bias" || rest == "attn.masked_bias") continue;  // the causal mask, not a parameter
    const bool transpose = block_matrices_are_in_out && tensor.shape.size() == 2;
    const Tensor value = transpose ? transposed(tensor) : tensor;
    if (rest.starts_with("attn.c_attn.")) {
      const std::string kind(without_prefix(rest, "attn.c_attn."));
      ours.emplace(block + "attention.query." + kind, third(value, 0));
      ours.emplace(block + "attention.key." + kind, third(value, 1));
      ours.emplace(block + "attention.value." + kind, third(value, 2));
    } else {
      ours.emplace(block + std::string(lookup(block_names, rest)), value);
    }
  }
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

Tensors our_weights_from_nano_sort(const std::string& path) {
  return our_weights(read_base64_tensors(path), false);
}

Tensors our_weights_from_hf_gpt2(const std::string& path) {
  return our_weights(read_safetensors(path), true);
}

}  // namespace tessera::testing
