// SPDX-License-Identifier: Apache-2.0
// Tensors that tests read from files.
#pragma once

#include <cstdint>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace tessera::testing {

/// A row-major tensor that owns its values.
struct Tensor {
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

/// Tensors by name.
using Tensors = std::map<std::string, Tensor>;

inline std::int64_t num_elements(const std::vector<std::int64_t>& shape) {
  std::int64_t product = 1;
  for (const std::int64_t extent : shape) product *= extent;
  return product;
}

/// A whole file. Throws std::runtime_error naming it.
inline std::string read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot open " + path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace tessera::testing
