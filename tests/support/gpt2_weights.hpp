// SPDX-License-Identifier: Apache-2.0
// Weights under GPT-2's names from two kinds of files, as weights under our names in our layout: [out, in], with query,
// key and value apart.
#pragma once

#include <string>

#include "support/tensor.hpp"

namespace tessera::testing {

/// Tensors of a JSON file whose members are {shape, dtype: "torch.float32", data: base64 of little-endian floats};
/// "config" is passed over. minGPT's weights and intermediate values are stored so.
Tensors read_base64_tensors(const std::string& path);

/// minGPT's state_dict in such a JSON file: matrices are [out, in]; query, key and value are packed as rows of c_attn
/// [3H, H]; the causal mask, stored as h.I.attn.bias, is left out. The head is always a tensor of its own.
Tensors our_weights_from_nano_sort(const std::string& path);

/// Hugging Face's GPT-2 in a safetensors file, names with or without "transformer.": matrices are [in, out] (Conv1D);
/// query, key and value are packed as columns of c_attn [H, 3H]. Without lm_head.weight the head is tied.
Tensors our_weights_from_hf_gpt2(const std::string& path);

}  // namespace tessera::testing
