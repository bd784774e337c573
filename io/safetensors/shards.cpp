// SPDX-License-Identifier: Apache-2.0
#include "safetensors/shards.hpp"

#include <fmt/core.h>

#include "json/json.hpp"
#include "safetensors/file_set.hpp"

namespace tessera::safetensors {
namespace {

constexpr std::size_t kAlignment = 8;  // of the first tensor, as the format recommends

std::uint64_t size_bytes(const TensorSpec& tensor) {
  return tensor.num_elements() * sizeof(float);
}

std::string beginning_of(const std::vector<TensorSpec>& tensors) {
  json::Object header;
  header.emplace_back("__metadata__", json::Object{{"format", "pt"}});  // transformers refuses files without it
  std::uint64_t at = 0;
  for (const TensorSpec& tensor : tensors) {
    json::Array shape;
    for (const std::uint64_t extent : tensor.shape) shape.emplace_back(extent);
    const std::uint64_t end = at + size_bytes(tensor);
    header.emplace_back(
        tensor.name,
        json::Object{{"dtype", "F32"}, {"shape", std::move(shape)}, {"data_offsets", json::Array{at, end}}});
    at = end;
  }
  std::string text = json::Json(std::move(header)).dump();
  text.append((kAlignment - text.size() % kAlignment) % kAlignment, ' ');
  std::string beginning;
  for (std::size_t i = 0; i < size_field_bytes; ++i)
    beginning += static_cast<char>(static_cast<unsigned char>(text.size() >> (8 * i)));
  return beginning + text;
}

}  // namespace

std::uint64_t TensorSpec::num_elements() const {
  std::uint64_t elements = 1;
  for (const std::uint64_t extent : shape) elements *= extent;
  return elements;
}

std::vector<Shard> plan_shards(const std::vector<TensorSpec>& tensors, std::uint64_t max_bytes) {
  std::vector<Shard> shards(1);
  std::uint64_t filled = 0;
  for (const TensorSpec& tensor : tensors) {
    if (!shards.back().tensors.empty() && filled + size_bytes(tensor) > max_bytes) {
      shards.emplace_back();
      filled = 0;
    }
    filled += size_bytes(tensor);
    shards.back().tensors.push_back(tensor);
  }
  for (std::size_t i = 0; i < shards.size(); ++i) {
    shards[i].file_name = shards.size() == 1 ? std::string(single_file_name)
                                             : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
    shards[i].beginning = beginning_of(shards[i].tensors);
  }
  return shards;
}

std::string index_of(const std::vector<Shard>& shards) {
  std::uint64_t total = 0;
  json::Object map;
  for (const Shard& shard : shards)
    for (const TensorSpec& tensor : shard.tensors) {
      total += size_bytes(tensor);
      map.emplace_back(tensor.name, shard.file_name);
    }
  const json::Object index{{"metadata", json::Object{{"total_size", total}}}, {"weight_map", std::move(map)}};
  return json::Json(index).dump(2) + "\n";
}

}  // namespace tessera::safetensors
