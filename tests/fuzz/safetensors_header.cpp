// SPDX-License-Identifier: Apache-2.0
// Any bytes as a safetensors file: they are refused with a message, or cover the file as they say.
#include "base/error.hpp"
#include "fuzz/target.hpp"
#include "safetensors/element_type.hpp"
#include "safetensors/header.hpp"

namespace {

using namespace tessera;

/// What readers rely on.
void require_cover(const std::vector<safetensors::TensorInfo>& tensors, std::uint64_t start, std::uint64_t file_bytes) {
  std::uint64_t at = start;
  for (const safetensors::TensorInfo& tensor : tensors) {
    fuzz::require(tensor.offset == at, "a tensor begins where the one before it ends");
    // A product that wrapped would be small.
    fuzz::require(tensor.num_elements() == tensor.size_bytes / safetensors::element_bytes(tensor.type),
                  "a tensor has the bytes of its shape");
    at += tensor.size_bytes;
  }
  fuzz::require(at == file_bytes, "the last tensor ends with the file");
}

void parse(std::string_view beginning, std::uint64_t file_bytes) {
  try {
    const std::vector<safetensors::TensorInfo> tensors = safetensors::parse_header(beginning, file_bytes, "fuzz");
    require_cover(tensors, safetensors::data_start(beginning, file_bytes, "fuzz"), file_bytes);
  } catch (const base::UsageError& error) {
    fuzz::require(std::string_view(error.what()).size() < 2000, "messages are short");
  }
}

std::string little_endian(std::uint64_t value) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(static_cast<unsigned char>(value >> (8 * i)));
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  parse(bytes, size);
  if (size < safetensors::size_field_bytes) return 0;
  // The first 8 bytes once more, now as the size of the data behind a header of the right size.
  std::uint64_t data_bytes = 0;
  for (std::size_t i = 0; i < 6; ++i) data_bytes |= std::uint64_t{data[i]} << (8 * i);
  const std::string_view text = bytes.substr(safetensors::size_field_bytes);
  parse(little_endian(text.size()) + std::string(text), safetensors::size_field_bytes + text.size() + data_bytes);
  return 0;
}
