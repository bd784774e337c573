// SPDX-License-Identifier: Apache-2.0
// The header of a safetensors file: 8 bytes with its size, little-endian, then JSON that tells name, type, shape and
// place of each tensor, then the tensors. Files come from strangers, so nothing in a header is believed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::safetensors {

/// As in the reference implementation.
inline constexpr std::uint64_t most_header_bytes = 100'000'000;

/// Bytes in front of the header.
inline constexpr std::uint64_t size_field_bytes = 8;

/// One tensor of a file.
struct TensorInfo {
  std::string name;
  std::string type;                  ///< of elements, as the header spells it: "F32"
  std::vector<std::uint64_t> shape;  ///< row-major; {} is one element
  std::uint64_t offset = 0;          ///< of its first byte in the file
  std::uint64_t size_bytes = 0;
  std::uint64_t num_elements() const;
};

/// Where in a file of `file_bytes` the tensors begin. `beginning` must hold its first 8 bytes, or all if there are
/// fewer. Throws base::UsageError naming `source` if the header would be too large or reach beyond the file. Pure.
std::uint64_t data_start(std::string_view beginning, std::uint64_t file_bytes, std::string_view source);

/// The tensors of a file in the order of their bytes, which they cover without a hole. `beginning` must reach up to
/// data_start(). Throws base::UsageError naming `source`, and the tensor, for anything else: bad JSON, a name that
/// comes twice, an unknown type, a shape whose size overflows or is not that of its bytes, bytes outside the file, of
/// two tensors, or of none. Memory is bounded by a constant, whatever the text. Pure.
std::vector<TensorInfo> parse_header(std::string_view beginning, std::uint64_t file_bytes, std::string_view source);

/// A name as messages show it: quoted, without control characters, and cut if it is long.
std::string shown(std::string_view name);

}  // namespace tessera::safetensors
