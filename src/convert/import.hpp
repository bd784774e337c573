// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "convert/gpt2_config.hpp"
#include "convert/transfer.hpp"
#include "text/tokenizer.hpp"

namespace tessera::convert {

struct ImportOptions {
  std::string folder;         ///< of model.safetensors, or of an index with its files; config.json may lie beside
  std::string output;         ///< a checkpoint file that does not exist
  std::vector<Claim> claims;  ///< keys that the caller gives; what the folder says must be the same
  std::string version;        ///< of this program, for RunState
};

struct ImportReport {
  config::ModelConfig model;
  std::uint64_t num_tensors = 0, num_parameters = 0;
  std::string digest;                    ///< of the weights in the checkpoint
  std::vector<std::string> assumptions;  ///< what neither the folder nor the caller said, a sentence each
  BufferUse buffers;
};

/// Makes a checkpoint of step 0 with weights only from a GPT-2 of Hugging Face. Every tensor must be there in its
/// shape, and no other; `tokenizer` may have fewer tokens than the model. Buffers take at most 1.5 times the largest
/// tensor. Throws base::UsageError that lists what does not fit, and leaves nothing then. For one process.
ImportReport import_gpt2(const ImportOptions& options, const text::Tokenizer& tokenizer);

}  // namespace tessera::convert
