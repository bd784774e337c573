// SPDX-License-Identifier: Apache-2.0
// Weights under GPT-2's names from two kinds of files, as weights under our names in our layout: [out, in], with query,
// key and value apart.
#pragma once

#include <string>

#include "config/config.hpp"
#include "support/tensor.hpp"

namespace tessera::testing {

/// Tensors of a JSON file whose members are {shape, dtype: "torch.float32", data: base64 of little-endian floats};
/// "config" is passed over. minGPT's weights and intermediate values are stored so.
Tensors read_base64_tensors(const std::string& path);

/// minGPT's state_dict in such a JSON file: matrices are [out, in]; query, key and value are packed as rows of c_attn
/// [3H, H]; the causal mask, stored as h.I.attn.bias, is left out. The head is always a tensor of its own.
Tensors our_weights_from_nano_sort(const std::string& path);
config::ModelConfig nano_sort_config();

/// The small GPT-2 of Hugging Face in a folder, as room convert reads it: every tensor of it must be there.
Tensors our_weights_from_hf_gpt2(const std::string& folder);

}  // namespace tessera::testing
