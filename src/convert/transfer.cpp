// SPDX-License-Identifier: Apache-2.0
#include "convert/transfer.hpp"

#include <algorithm>

namespace tessera::convert {
namespace {

constexpr std::uint64_t kPieceElements = 1 << 20;  // 4 MiB: long reads, and still in the cache
constexpr std::uint64_t kPieceRows = 256;          // a transposed piece writes into one line of the cache for each 16

/// So many at a time, but never more than half of all: small models keep to the bound as well.
std::uint64_t piece_of(std::uint64_t most, std::uint64_t all) {
  return std::clamp<std::uint64_t>(std::min(most, all / 2), 1, std::max<std::uint64_t>(1, all));
}

/// Calls work(first, values) for each piece of a tensor that is copied as it is.
template <class Work>
void for_each_piece(std::uint64_t num_elements, Workspace& workspace, Work work) {
  const std::span<float> piece = workspace.piece(piece_of(kPieceElements, num_elements));
  for (std::uint64_t first = 0; first < num_elements; first += piece.size())
    work(first, piece.first(std::min<std::uint64_t>(piece.size(), num_elements - first)));
}

/// Reads a matrix [rows, columns] through read(first element, values) and returns it as [columns, rows].
template <class Read>
std::span<const float> read_transposed(std::uint64_t rows, std::uint64_t columns, Workspace& workspace, Read read) {
  const std::span<float> whole = workspace.tensor(rows * columns);
  const std::uint64_t rows_at_once =
      piece_of(std::min(kPieceRows, std::max<std::uint64_t>(1, kPieceElements / columns)), rows);
  const std::span<float> piece = workspace.piece(rows_at_once * columns);
  for (std::uint64_t first = 0; first < rows; first += rows_at_once) {
    const std::uint64_t count = std::min(rows_at_once, rows - first);
    read(first * columns, piece.first(count * columns));
    for (std::uint64_t column = 0; column < columns; ++column)
      for (std::uint64_t row = 0; row < count; ++row)
        whole[column * rows + first + row] = piece[row * columns + column];
  }
  return whole;
}

}  // namespace

std::span<float> Workspace::take(Buffer& buffer, std::uint64_t num_elements) {
  if (num_elements > buffer.size) {
    buffer.values.reset();  // before the larger one is there
    buffer.values = std::make_unique_for_overwrite<float[]>(num_elements);
    buffer.size = num_elements;
    peak_bytes_ = std::max(peak_bytes_, (tensor_.size + piece_.size) * sizeof(float));
  }
  return {buffer.values.get(), num_elements};
}

void to_gpt2(const Gpt2Tensor& tensor, const ReadElements& read_ours, const WriteElements& write_theirs,
             Workspace& workspace) {
  const std::uint64_t part_elements = tensor.num_elements() / tensor.parameters.size();
  // Elements of all parts as if they lay one behind the other.
  const auto read_parts = [&](std::uint64_t first, std::span<float> values) {
    while (!values.empty()) {
      const std::uint64_t part = first / part_elements, at = first % part_elements;
      const std::uint64_t count = std::min<std::uint64_t>(values.size(), part_elements - at);
      read_ours(tensor.parameters[part], at, values.first(count));
      values = values.subspan(count);
      first += count;
    }
  };
  if (tensor.transposed) {  // of [parts * out, in]
    const std::uint64_t in = tensor.shape[0], rows = tensor.shape[1];
    write_theirs(tensor.name, 0, read_transposed(rows, in, workspace, read_parts));
    return;
  }
  for_each_piece(tensor.num_elements(), workspace, [&](std::uint64_t first, std::span<float> values) {
    read_parts(first, values);
    write_theirs(tensor.name, first, values);
  });
}

void from_gpt2(const Gpt2Tensor& tensor, const ReadElements& read_theirs, const WriteElements& write_ours,
               Workspace& workspace) {
  const std::uint64_t num_parts = tensor.parameters.size(), part_elements = tensor.num_elements() / num_parts;
  const auto read = [&](std::uint64_t first, std::span<float> values) { read_theirs(tensor.name, first, values); };
  if (tensor.transposed) {
    const std::span<const float> whole = read_transposed(tensor.shape[0], tensor.shape[1], workspace, read);
    for (std::uint64_t part = 0; part < num_parts; ++part)
      write_ours(tensor.parameters[part], 0, whole.subspan(part * part_elements, part_elements));
    return;
  }
  for (std::uint64_t part = 0; part < num_parts; ++part)
    for_each_piece(part_elements, workspace, [&](std::uint64_t first, std::span<float> values) {
      read(part * part_elements + first, values);
      write_ours(tensor.parameters[part], first, values);
    });
}

}  // namespace tessera::convert
