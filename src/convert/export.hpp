// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "convert/transfer.hpp"

namespace tessera::convert {

struct ExportOptions {
  std::string checkpoint;  ///< a file
  std::string folder;      ///< absent or empty
  std::uint64_t max_shard_bytes = 5'000'000'000;
};

struct ExportReport {
  std::int64_t step = 0;
  std::uint64_t num_tensors = 0, tensor_bytes = 0;
  std::string digest;  ///< of the weights, as in the checkpoint
  std::string tokenizer_kind;
  bool own_tokenizer_file = false;  ///< the tokenizer has no Hugging Face form: our own file was written
  std::vector<std::string> files;   ///< names of all that was written
  BufferUse buffers;
};

/// Writes the weights of a checkpoint as a GPT-2 of Hugging Face: config.json, the tokenizer's files, and F32 tensors
/// in model.safetensors, or in several files with an index. Checksums are verified on the way; buffers take at most 1.5
/// times the largest tensor. Throws base::UsageError, checkpoint::DamagedError among them, and leaves nothing then. For
/// one process.
ExportReport export_gpt2(const ExportOptions& options);

}  // namespace tessera::convert
