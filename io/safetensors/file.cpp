// SPDX-License-Identifier: Apache-2.0
#include "safetensors/file.hpp"

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include "base/error.hpp"
#include "safetensors/element_type.hpp"

namespace tessera::safetensors {
namespace {

/// Opening a pipe would wait for its other end.
base::PosixFile open_regular(const std::string& path) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) base::fail_usage("'{}' does not exist: check the path", path);
  if (!std::filesystem::is_regular_file(status)) base::fail_usage("'{}' is no regular file", path);
  return base::PosixFile::open_read(path);
}

std::vector<TensorInfo> read_header(const base::PosixFile& file, const std::string& path) {
  const std::uint64_t file_bytes = file.size_bytes();
  std::string beginning(std::min(file_bytes, size_field_bytes), '\0');
  file.read_at(0, beginning.data(), beginning.size());
  beginning.resize(data_start(beginning, file_bytes, path));
  file.read_at(0, beginning.data(), beginning.size());
  return parse_header(beginning, file_bytes, path);
}

}  // namespace

File::File(const std::string& path) : path_(path), bytes_(open_regular(path)), tensors_(read_header(bytes_, path)) {}

void File::read(const TensorInfo& tensor, std::uint64_t first, std::span<float> values) const {
  if (!is_readable(tensor.type))
    base::fail_usage(
        "'{}': tensor {} is of type {}; F32, F16 and BF16 are read: convert it with the program that made it", path_,
        shown(tensor.name), tensor.type);
  if (first > tensor.num_elements() || values.size() > tensor.num_elements() - first)
    throw std::logic_error("elements beyond the end of tensor " + tensor.name);
  const std::uint64_t width = element_bytes(tensor.type);
  const std::size_t size_bytes = values.size() * width;
  char* const end = reinterpret_cast<char*>(values.data() + values.size());
  bytes_.read_at(tensor.offset + first * width, end - size_bytes, size_bytes);
  widen(tensor.type, values);
}

}  // namespace tessera::safetensors
