// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/file_reader.hpp"

#include <algorithm>
#include <new>

#include "base/error.hpp"
#include "checkpoint/checksum.hpp"
#include "checkpoint/files.hpp"
#include "hdf5/hdf5.hpp"

namespace tessera::checkpoint {
namespace {

/// What goes wrong behind a sound first block, HDF5's own troubles among them, is damage; but not what the system
/// refuses, as the file may be sound and the next attempt work.
template <class Read>
void or_damaged(const std::string& path, Read read) {
  try {
    read();
  } catch (const base::UsageError&) {
    throw;
  } catch (const base::SystemError&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    fail_damaged("checkpoint '{}' is damaged ({}); use an older one", path, error.what());
  }
}

std::string read_text(const hdf5::File& file, const std::string& name, std::uint64_t file_bytes) {
  // A forged shape must not ask for more memory than there is.
  for (const std::uint64_t extent : file.info(name).shape)
    if (extent > file_bytes) base::fail("{} is larger than the file", name);
  return file.read_text(name);
}

RunState state_in(const hdf5::File& file, const UserBlock& block) {
  RunState state;
  state.step = file.int_attribute("/run", "step");
  state.updates = file.int_attribute("/run", "updates");
  state.skips = file.int_attribute("/run", "skips");
  state.tokens = file.int_attribute("/run", "tokens");
  state.mesh = file.string_attribute("/run", "mesh");
  state.tokenizer_fingerprint = file.string_attribute("/run", "tokenizer_fingerprint");
  if (file.has_attribute("/run", "data")) state.data = file.string_attribute("/run", "data");
  state.version = read_text(file, "/run/version", block.file_bytes);
  state.config = read_text(file, "/run/config", block.file_bytes);
  state.tokenizer = read_text(file, "/run/tokenizer", block.file_bytes);
  if (static_cast<std::uint64_t>(state.step) != block.step) base::fail("/run is of another step than the first block");
  return state;
}

bool lies_within(const std::vector<Extent>& extents, const Extent& wanted) {
  const auto behind = std::upper_bound(extents.begin(), extents.end(), wanted.offset,
                                       [](std::uint64_t at, const Extent& extent) { return at < extent.offset; });
  if (behind == extents.begin()) return false;
  const Extent& extent = *(behind - 1);
  return wanted.size <= extent.size && wanted.offset - extent.offset <= extent.size - wanted.size;
}

FileReader::Tensor examine(const hdf5::File& file, const std::string& path, const UserBlock& block) {
  const hdf5::DatasetInfo info = file.info(path);
  if (info.type != hdf5::Type::f32 || !info.contiguous) base::fail("{} is not a contiguous dataset of f32", path);
  std::uint64_t elements = 1;
  for (const std::uint64_t extent : info.shape) {
    if (extent > block.file_bytes || elements > block.file_bytes / std::max<std::uint64_t>(extent, 1))
      base::fail("{} is larger than the file", path);
    elements *= extent;
  }
  FileReader::Tensor tensor{{path, info.shape}, info.file_offset, file.string_attribute(path, sum_attribute)};
  if (elements > 0 && !lies_within(block.tensors, {tensor.offset, tensor.size_bytes()}))
    base::fail("{} lies outside of the stretches that the first block lists", path);
  return tensor;
}

/// Throws unless the digest of the model is that of the sums of its tensors.
std::string checked_digest(const hdf5::File& file, const std::vector<FileReader::Tensor>& tensors) {
  std::vector<std::string> lines;
  for (const FileReader::Tensor& tensor : tensors)
    if (tensor.path.starts_with(model_prefix)) lines.push_back(digest_line(tensor.path, tensor.shape, tensor.sum));
  if (lines.empty()) return "";
  const std::string stored = file.string_attribute(model_group, digest_attribute);
  if (stored != digest(lines)) base::fail("{} has a wrong digest", model_group);
  return stored;
}

}  // namespace

FileReader::FileReader(const std::string& path)
    : path_(path), block_(read_user_block(path)), bytes_(base::PosixFile::open_read(path)) {
  or_damaged(path, [&] {
    const hdf5::File file = hdf5::File::open_read_only(path);
    state_ = state_in(file, block_);
    for (const std::string& name : file.datasets())
      if (!name.starts_with("/run/")) tensors_.push_back(examine(file, name, block_));
    std::sort(tensors_.begin(), tensors_.end(), [](const Tensor& a, const Tensor& b) { return a.path < b.path; });
    digest_ = checked_digest(file, tensors_);
  });
}

const FileReader::Tensor* FileReader::find(const std::string& path) const {
  const auto at = std::lower_bound(tensors_.begin(), tensors_.end(), path,
                                   [](const Tensor& tensor, const std::string& name) { return tensor.path < name; });
  return at != tensors_.end() && at->path == path ? &*at : nullptr;
}

bool FileReader::has_optimizer() const {
  return std::any_of(tensors_.begin(), tensors_.end(),
                     [](const Tensor& tensor) { return tensor.path.starts_with("/optimizer/"); });
}

void FileReader::read(const Tensor& tensor, std::int64_t first, std::span<float> values) const {
  bytes_.read_at(tensor.offset + static_cast<std::uint64_t>(first) * sizeof(float), values.data(), values.size_bytes());
}

void FileReader::for_each_piece(
    const Tensor& tensor, const std::function<void(std::int64_t first, std::span<const float> values)>& visit) const {
  std::vector<float> values(static_cast<std::size_t>(std::min(piece_elements, tensor.num_elements())));
  for (std::int64_t first = 0; first < tensor.num_elements(); first += piece_elements) {
    const std::int64_t count = std::min(piece_elements, tensor.num_elements() - first);
    const std::span<float> piece = std::span(values).first(static_cast<std::size_t>(count));
    read(tensor, first, piece);
    visit(first, piece);
  }
}

bool FileReader::is_sound(const Tensor& tensor) const {
  std::uint64_t sum = 0;
  for_each_piece(tensor, [&](std::int64_t first, std::span<const float> values) {
    sum += sum_of_elements(values.data(), static_cast<std::int64_t>(values.size()), first);
  });
  return hex(sum) == tensor.sum;
}

void FileReader::verify(const Tensor& tensor) const {
  if (!is_sound(tensor)) fail_wrong_checksum(path_, tensor.path);
}

RunState read_state(const std::string& path) {
  return FileReader(path).state();
}

}  // namespace tessera::checkpoint
