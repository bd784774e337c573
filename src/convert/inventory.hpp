// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "convert/gpt2_config.hpp"
#include "convert/gpt2_layout.hpp"
#include "safetensors/file_set.hpp"

namespace tessera::convert {

/// The tensors of a GPT-2 in files, by their names without "transformer.". The causal masks that old files keep as
/// h.N.attn.bias and h.N.attn.masked_bias are passed over.
class Inventory {
 public:
  /// Throws base::UsageError if two tensors differ by "transformer." only. `files` must outlive this.
  explicit Inventory(const safetensors::FileSet& files);

  bool holds(const std::string& name) const { return tensors_.contains(name); }
  /// Elements of a tensor that is there, from the row-major index `first` on.
  void read(const std::string& name, std::uint64_t first, std::span<float> values) const;

  /// What names and shapes say of the model: layers, hidden, context, vocab. Throws base::UsageError for what is no
  /// GPT-2 at all, or lacks blocks in between.
  std::vector<Claim> claims() const;

  /// Throws base::UsageError that lists every tensor of the layout that is missing, of another shape or of a type that
  /// is not read, and every other one that there is.
  void require(const std::vector<Gpt2Tensor>& layout) const;

 private:
  std::int64_t num_blocks() const;
  std::uint64_t extent(const std::string& name, std::size_t dim) const;

  const safetensors::FileSet* files_;
  std::map<std::string, const safetensors::FileSet::Tensor*, std::less<>> tensors_;
};

/// The model that all sources agree on; what none says is as in `fallback`. Throws base::UsageError that lists every
/// key on which they differ, and every value that our configuration does not accept.
config::ModelConfig settle(const std::vector<Claim>& claims, const config::ModelConfig& fallback);

}  // namespace tessera::convert
