// SPDX-License-Identifier: Apache-2.0
#include "safetensors/writer.hpp"

#include <stdexcept>

#include "base/error.hpp"
#include "safetensors/file_set.hpp"

namespace tessera::safetensors {

Writer::Writer(OutputFolder& folder, const std::vector<TensorSpec>& tensors, std::uint64_t max_shard_bytes)
    : folder_(&folder), shards_(plan_shards(tensors, max_shard_bytes)) {
  for (const Shard& shard : shards_) {
    std::uint64_t offset = shard.beginning.size();
    for (const TensorSpec& tensor : shard.tensors) {
      const std::uint64_t size_bytes = tensor.num_elements() * sizeof(float);
      if (!places_.emplace(tensor.name, Place{files_.size(), offset, size_bytes, 0}).second)
        base::fail_usage("tensor {} comes twice", shown(tensor.name));
      offset += size_bytes;
    }
    files_.push_back(folder.create(shard.file_name));
    files_.back().write_at(0, shard.beginning.data(), shard.beginning.size());
  }
}

void Writer::append(const std::string& tensor, std::span<const float> values) {
  const auto found = places_.find(tensor);
  if (found == places_.end()) throw std::logic_error("no tensor " + tensor + " is to be written");
  Place& place = found->second;
  if (values.size_bytes() > place.size_bytes - place.written_bytes)
    throw std::logic_error("more elements than tensor " + tensor + " has");
  files_[place.file].write_at(place.offset + place.written_bytes, values.data(), values.size_bytes());
  place.written_bytes += values.size_bytes();
}

void Writer::finish() {
  for (const auto& [tensor, place] : places_)
    if (place.written_bytes != place.size_bytes) throw std::logic_error("tensor " + tensor + " is not whole");
  if (shards_.size() == 1) return;
  const std::string index = index_of(shards_);
  folder_->create(index_file_name).write_at(0, index.data(), index.size());
}

}  // namespace tessera::safetensors
