// SPDX-License-Identifier: Apache-2.0
#include "support/safetensors.hpp"

#include <cstring>

#include "json/json.hpp"

namespace tessera::testing {

Tensors read_safetensors(const std::string& path) {
  const std::string bytes = read_bytes(path);
  std::uint64_t header_bytes = 0;
  if (bytes.size() < sizeof header_bytes) throw std::runtime_error(path + ": too short for a safetensors file");
  std::memcpy(&header_bytes, bytes.data(), sizeof header_bytes);  // x86-64 is little-endian, as the file is
  if (header_bytes > bytes.size() - sizeof header_bytes) throw std::runtime_error(path + ": header beyond the end");
  const std::string_view header(bytes.data() + sizeof header_bytes, header_bytes);
  const std::string_view data = std::string_view(bytes).substr(sizeof header_bytes + header_bytes);

  const json::Json entries = json::parse(header, path);
  Tensors tensors;
  for (const auto& [name, entry] : entries.as_object()) {
    if (name == "__metadata__") continue;
    if (entry.at("dtype").as_string() != "F32") throw std::runtime_error(path + ": " + name + " is not F32");
    Tensor tensor;
    for (const json::Json& extent : entry.at("shape").as_array()) tensor.shape.push_back(extent.as_int());
    const json::Array& offsets = entry.at("data_offsets").as_array();
    const auto first = static_cast<std::uint64_t>(offsets.at(0).as_int());
    const auto last = static_cast<std::uint64_t>(offsets.at(1).as_int());
    tensor.values.resize(static_cast<std::size_t>(num_elements(tensor.shape)));
    const std::size_t size_bytes = tensor.values.size() * sizeof(float);
    if (first > last || last > data.size() || last - first != size_bytes) {
      throw std::runtime_error(path + ": offsets of " + name + " do not fit its shape or the file");
    }
    if (size_bytes > 0) std::memcpy(tensor.values.data(), data.data() + first, size_bytes);
    tensors.emplace(name, std::move(tensor));
  }
  return tensors;
}

}  // namespace tessera::testing
