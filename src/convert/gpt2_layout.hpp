// SPDX-License-Identifier: Apache-2.0
// Where the parameters of a model lie in the tensors of Hugging Face's GPT-2.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"

namespace tessera::convert {

/// One tensor of GPT-2. Matrices of blocks are Conv1D there: [in, out], ours are [out, in]. Query, key and value lie
/// side by side in one, [H, 3H], and their biases one behind the other.
struct Gpt2Tensor {
  std::string name;                     ///< "h.0.attn.c_attn.weight": without "transformer."
  std::vector<std::uint64_t> shape;     ///< [in, out] or [size]
  bool transposed = false;              ///< a matrix of a block
  std::vector<std::string> parameters;  ///< ours, of one size: query, key, value, or the only one
  std::uint64_t num_elements() const;
};

/// Every tensor that GPT-2 has for model::parameter_specs(), in that order. Throws base::UsageError for a model that
/// its layout cannot express. Pure.
std::vector<Gpt2Tensor> gpt2_layout(const config::ModelConfig& config);

/// The name by which Hugging Face's GPT2LMHeadModel stores a tensor.
std::string full_name(const std::string& name);
/// The way back; names without "transformer." stay as they are.
std::string_view short_name(std::string_view full_name);

}  // namespace tessera::convert
