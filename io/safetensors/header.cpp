// SPDX-License-Identifier: Apache-2.0
#include "safetensors/header.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <tuple>

#include "base/error.hpp"
#include "json/json.hpp"
#include "safetensors/element_type.hpp"

namespace tessera::safetensors {
namespace {

// Half a million tensors, far above any model; with it a header takes a few hundred megabytes of memory at most.
constexpr json::Limits kLimits{.depth = 4, .values = std::size_t{1} << 22};
constexpr std::size_t kMostDims = 32;
constexpr std::size_t kMostShownBytes = 120, kMostMessageBytes = 400;

/// A JSON error may quote as much of the text as there is.
std::string cut(std::string_view message) {
  if (message.size() <= kMostMessageBytes) return std::string(message);
  return std::string(message.substr(0, kMostMessageBytes)) + "...";
}

json::Json parse_json(std::string_view text, std::string_view source) {
  try {
    return json::parse(text, source, kLimits);
  } catch (const base::Error& error) {
    base::fail_usage("{}", cut(error.what()));
  }
}

std::uint64_t whole_number(const json::Json& value) {
  const std::int64_t number = value.as_int();
  if (number < 0) base::fail("{} is negative", number);
  return static_cast<std::uint64_t>(number);
}

std::uint64_t product(std::uint64_t a, std::uint64_t b) {
  if (b != 0 && a > std::numeric_limits<std::uint64_t>::max() / b) base::fail("its shape has too many elements");
  return a * b;
}

TensorInfo read_entry(const std::string& name, const json::Json& entry, std::uint64_t start, std::uint64_t data_bytes) {
  TensorInfo tensor;
  tensor.name = name;
  tensor.type = entry.at("dtype").as_string();
  std::uint64_t size_bytes = element_bytes(tensor.type);
  if (size_bytes == 0) base::fail("its type {} is not known", shown(tensor.type));
  const json::Array& shape = entry.at("shape").as_array();
  if (shape.size() > kMostDims) base::fail("its shape has {} dimensions, more than {}", shape.size(), kMostDims);
  for (const json::Json& extent : shape) {
    tensor.shape.push_back(whole_number(extent));
    size_bytes = product(size_bytes, tensor.shape.back());
  }
  const json::Array& offsets = entry.at("data_offsets").as_array();
  if (offsets.size() != 2) base::fail("\"data_offsets\" has {} numbers instead of 2", offsets.size());
  const std::uint64_t first = whole_number(offsets[0]), last = whole_number(offsets[1]);
  if (first > last || last > data_bytes)
    base::fail("its bytes [{}, {}) are outside the {} bytes of data", first, last, data_bytes);
  if (last - first != size_bytes)
    base::fail("its type and shape make {} bytes, its offsets {}", size_bytes, last - first);
  tensor.offset = start + first;
  tensor.size_bytes = size_bytes;
  return tensor;
}

void require_texts(const json::Json& metadata) {
  for (const auto& [key, value] : metadata.as_object())
    if (!value.is_string()) base::fail("the value of {} is not a text", shown(key));
}

/// Sorts by place; throws unless each tensor begins where the one before it ends.
void require_cover(std::vector<TensorInfo>& tensors, std::uint64_t start, std::uint64_t file_bytes,
                   std::string_view source) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
    return std::tie(a.offset, a.size_bytes, a.name) < std::tie(b.offset, b.size_bytes, b.name);
  });
  std::uint64_t at = start;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const TensorInfo& tensor = tensors[i];
    if (tensor.offset < at)
      base::fail_usage("'{}': tensor {} overlaps tensor {}: the file is damaged", source, shown(tensor.name),
                       shown(tensors[i - 1].name));
    if (tensor.offset > at)
      base::fail_usage("'{}': the {} bytes in front of tensor {} belong to no tensor: the file is damaged", source,
                       tensor.offset - at, shown(tensor.name));
    at = tensor.offset + tensor.size_bytes;
  }
  if (at != file_bytes)
    base::fail_usage("'{}': its last {} bytes belong to no tensor: the file is damaged", source, file_bytes - at);
}

}  // namespace

std::uint64_t TensorInfo::num_elements() const {
  std::uint64_t elements = 1;
  for (const std::uint64_t extent : shape) elements *= extent;
  return elements;
}

std::string shown(std::string_view name) {
  const bool is_long = name.size() > kMostShownBytes;
  return json::Json(std::string(name.substr(0, kMostShownBytes))).dump() + (is_long ? "..." : "");
}

std::uint64_t data_start(std::string_view beginning, std::uint64_t file_bytes, std::string_view source) {
  if (file_bytes < size_field_bytes)
    base::fail_usage("'{}' holds {} bytes: too short for a safetensors file", source, file_bytes);
  if (beginning.size() < size_field_bytes) throw std::logic_error("data_start: 8 bytes are needed");
  std::uint64_t header_bytes = 0;
  for (std::size_t i = 0; i < size_field_bytes; ++i)
    header_bytes |= std::uint64_t{static_cast<unsigned char>(beginning[i])} << (8 * i);
  if (header_bytes > most_header_bytes)
    base::fail_usage("'{}' asks for a header of {} bytes, more than {}: it is no safetensors file, or damaged", source,
                     header_bytes, most_header_bytes);
  if (header_bytes > file_bytes - size_field_bytes)
    base::fail_usage("'{}' holds {} bytes, its header alone would take {}: it is no safetensors file, or cut short",
                     source, file_bytes, header_bytes);
  return size_field_bytes + header_bytes;
}

std::vector<TensorInfo> parse_header(std::string_view beginning, std::uint64_t file_bytes, std::string_view source) {
  const std::uint64_t start = data_start(beginning, file_bytes, source);
  if (beginning.size() < start) throw std::logic_error("parse_header: the header is not whole");
  const std::string_view text = beginning.substr(size_field_bytes, start - size_field_bytes);
  if (!text.starts_with('{')) base::fail_usage("'{}': its header is no JSON object: it is no safetensors file", source);
  const json::Json header = parse_json(text, source);
  std::vector<TensorInfo> tensors;
  for (const auto& [name, entry] : header.as_object()) {
    const bool is_metadata = name == "__metadata__";
    try {
      if (is_metadata)
        require_texts(entry);
      else
        tensors.push_back(read_entry(name, entry, start, file_bytes - start));
    } catch (const base::Error& error) {
      base::fail_usage("'{}': {}{}: {}", source, is_metadata ? "" : "tensor ", shown(name), cut(error.what()));
    }
  }
  require_cover(tensors, start, file_bytes, source);
  return tensors;
}

}  // namespace tessera::safetensors
