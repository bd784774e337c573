// SPDX-License-Identifier: Apache-2.0
#include "convert/inventory.hpp"

#include <charconv>
#include <fmt/ranges.h>
#include <optional>
#include <set>

#include "base/error.hpp"
#include "safetensors/element_type.hpp"

namespace tessera::convert {
namespace {

using safetensors::shown;

struct BlockName {
  std::int64_t block;
  std::string_view rest;  ///< behind "h.N."
};

/// Nothing for a name outside of the blocks, or with a number that is not written as std::to_string() does.
std::optional<BlockName> parse_block(std::string_view name) {
  if (!name.starts_with("h.")) return std::nullopt;
  const char* const end = name.data() + name.size();
  std::int64_t block = 0;
  const auto [rest, error] = std::from_chars(name.data() + 2, end, block);
  if (error != std::errc{} || block < 0 || rest == end || *rest != '.') return std::nullopt;
  if (name[2] == '0' && rest != name.data() + 3) return std::nullopt;
  return BlockName{block, {rest + 1, static_cast<std::size_t>(end - rest - 1)}};
}

bool is_mask(std::string_view name) {
  const auto block = parse_block(name);
  return block && (block->rest == "attn.bias" || block->rest == "attn.masked_bias");
}

}  // namespace

Inventory::Inventory(const safetensors::FileSet& files) : files_(&files) {
  for (const safetensors::FileSet::Tensor& tensor : files.tensors()) {
    const std::string_view name = short_name(tensor.name);
    if (is_mask(name)) continue;
    const auto [found, is_new] = tensors_.emplace(name, &tensor);
    if (!is_new)
      base::fail_usage("tensors {} and {} are one and the same of GPT-2: remove one of them",
                       shown(found->second->name), shown(tensor.name));
  }
}

void Inventory::read(const std::string& name, std::uint64_t first, std::span<float> values) const {
  files_->read(*tensors_.at(name), first, values);
}

std::uint64_t Inventory::extent(const std::string& name, std::size_t dim) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end())
    base::fail_usage("'{}' and its like hold no GPT-2: tensor {} is missing", files_->files().front().path(), name);
  const std::vector<std::uint64_t>& shape = found->second->shape;
  if (shape.size() != 2)
    base::fail_usage("'{}' holds no GPT-2: tensor {} has {} dimensions instead of 2",
                     files_->files()[found->second->file].path(), name, shape.size());
  return shape[dim];
}

std::int64_t Inventory::num_blocks() const {
  std::set<std::int64_t> blocks;
  for (const auto& [name, tensor] : tensors_)
    if (const auto block = parse_block(name)) blocks.insert(block->block);
  std::int64_t next = 0;
  for (const std::int64_t block : blocks)
    if (block != next++)
      base::fail_usage("'{}' and its like hold tensors of block h.{}, but none of h.{}", files_->files().front().path(),
                       *blocks.rbegin(), next - 1);
  return next;
}

std::vector<Claim> Inventory::claims() const {
  return {{"model.vocab", std::to_string(extent("wte.weight", 0)), "rows of wte.weight"},
          {"model.hidden", std::to_string(extent("wte.weight", 1)), "columns of wte.weight"},
          {"model.context", std::to_string(extent("wpe.weight", 0)), "rows of wpe.weight"},
          {"model.layers", std::to_string(num_blocks()), "blocks h.N in the files"}};
}

void Inventory::require(const std::vector<Gpt2Tensor>& layout) const {
  std::string problems;
  const auto note = [&](const std::string& name, const std::string& what) {
    problems += fmt::format("\n  {} {}", shown(name), what);
  };
  std::set<std::string, std::less<>> known;
  for (const Gpt2Tensor& wanted : layout) {
    known.insert(wanted.name);
    const auto found = tensors_.find(wanted.name);
    if (found == tensors_.end()) {
      note(full_name(wanted.name), "is missing");
      continue;
    }
    const safetensors::FileSet::Tensor& tensor = *found->second;
    if (tensor.shape != wanted.shape)
      note(tensor.name, fmt::format("has the shape [{}] instead of [{}]", fmt::join(tensor.shape, ", "),
                                    fmt::join(wanted.shape, ", ")));
    else if (!safetensors::is_readable(tensor.type))
      note(tensor.name, fmt::format("is of type {}; F32, F16 and BF16 are read", tensor.type));
  }
  for (const auto& [name, tensor] : tensors_)
    if (!known.contains(name)) note(tensor->name, "has no place in GPT-2");
  if (!problems.empty())
    base::fail_usage("'{}' and its like do not hold the tensors of this model:{}", files_->files().front().path(),
                     problems);
}

}  // namespace tessera::convert
